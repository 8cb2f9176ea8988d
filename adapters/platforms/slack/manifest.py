"""The app manifest that an operator pastes into Slack, with the commands of the one registry.

Reference: https://docs.slack.dev/reference/app-manifest
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from adapters.platforms.slack.config import UMBRELLA
from core.commands.model import Command

EVENTS_PATH = "/webhooks/slack/events"

BOT_EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "tokens_revoked",
)
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "reactions:write",
    "users:read",
)

_OF_SLACK = frozenset(
    re.findall(
        r"\w+",
        "active apps archive away call collapse dm dnd expand feed feedback huddle invite join kick leave me msg mute "
        "open people prefs pro remind remove rename search shortcuts shrug star status topic unarchive who",
    )
)
"""Slack's own slash commands: one of these among ours, and Slack refuses the whole manifest."""

_DESCRIPTION, _HINT, _MOST_COMMANDS = 140, 1_000, 50
"""Characters, characters and entries: what Slack's validation takes."""


def manifest(commands: Sequence[Command], *, bot_name: str = "MemoryChat", http_url: str = "") -> dict[str, Any]:
    """For Socket Mode, or with `http_url` (the public `https://…` of this server, without a path) for HTTP."""
    request_url = http_url.rstrip("/") + EVENTS_PATH if http_url else ""
    events: dict[str, Any] = {"bot_events": list(BOT_EVENTS)}
    interactivity: dict[str, Any] = {"is_enabled": True}
    if request_url:
        events["request_url"] = interactivity["request_url"] = request_url
    return {
        "display_information": {"name": bot_name, "description": "An assistant that remembers, under your control"},
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": bot_name, "always_online": True},
            "agent_view": {
                "agent_description": "Remembers what you tell it, and shows, forgets or pauses at your word."
            },
            "slash_commands": slash_commands(commands, request_url),
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not request_url,
            "token_rotation_enabled": False,
        },
    }


def manifest_text(commands: Sequence[Command], *, bot_name: str = "MemoryChat", http_url: str = "") -> str:
    """As JSON, which Slack takes under "From a manifest" and which every reader of YAML takes too."""
    return json.dumps(manifest(commands, bot_name=bot_name, http_url=http_url), indent=2, ensure_ascii=False)


def slash_commands(commands: Sequence[Command], request_url: str = "") -> list[dict[str, Any]]:
    """The umbrella command first, then each by its own name, or behind the umbrella's where Slack keeps that."""
    shown = [command for command in commands if not command.hidden]
    own = [_slash(_free_name(command.name), command.summary, _usage(command), request_url) for command in shown]
    umbrella = _slash(UMBRELLA, "Every command in one: /memorychat help", "COMMAND …", request_url)
    return [umbrella, *own][:_MOST_COMMANDS]


def _free_name(name: str) -> str:
    return f"{UMBRELLA}-{name}" if name in _OF_SLACK else name


def _usage(command: Command) -> str:
    words = "|".join(sub.name for sub in command.subcommands)
    return f"[{words}]" if words else command.usage.partition(" ")[2]


def _slash(name: str, description: str, usage: str, request_url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "command": f"/{name}",
        "description": description[:_DESCRIPTION],
        "should_escape": False,
    }
    if usage:
        entry["usage_hint"] = usage[:_HINT]
    if request_url:
        entry["url"] = request_url
    return entry
