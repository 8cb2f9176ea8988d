"""`memorychat slack-manifest`."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import say


def slack_manifest(
    socket: Annotated[bool, typer.Option("--socket", help="For Socket Mode: no public address is needed.")] = False,
    http: Annotated[str, typer.Option(metavar="URL", help="For HTTP: the public https:// address of this bot.")] = "",
) -> None:
    """Print the manifest to paste at api.slack.com/apps under Create New App, From a manifest."""
    from adapters.platforms.slack.manifest import manifest_text
    from bot.settings import get_settings
    from core.commands.registry import build_registry
    from core.errors import BadArgument

    if socket == bool(http):
        raise BadArgument(user_message="Choose one: --socket, or --http https://your.address")
    if http and not http.startswith("https://"):
        raise BadArgument(user_message="Slack calls addresses that begin with https:// only.")
    say(manifest_text(build_registry().commands, bot_name=get_settings().persona.bot_name, http_url=http))
