"""`memorychat access`: who may talk to the bot. It works beside a running bot, which heeds it within seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import application, run_async, say, table

if TYPE_CHECKING:
    from core.ports import AccessState

group = typer.Typer(help="Let people in, or keep them out.", no_args_is_help=True)

Platform = Annotated[str, typer.Argument(help="slack, telegram or discord.")]
Account = Annotated[str, typer.Argument(help="The platform's id of a person, a chat, a workspace or a server.")]
Workspace = Annotated[str, typer.Option(help="Of a person on Slack: the workspace's id.")]


@group.command("list")
def list_() -> None:
    """List who was let in, who is blocked, and who waits with which code."""
    run_async(_list())


async def _list() -> None:
    from core.access import shown_code

    async with application() as app:
        grants = await app.store.list_access()
    rows = [
        (grant.state, grant.platform, grant.external_id, shown_code(grant.code), f"{grant.changed_at:%Y-%m-%d %H:%M}")
        for grant in grants
    ]
    table(("state", "platform", "id", "code", "since (UTC)"), rows)


@group.command()
def approve(
    who: Annotated[str, typer.Argument(metavar="CODE | PLATFORM", help="The code that a stranger got.")],
    account: Annotated[str, typer.Argument(metavar="[ID]", help="With a platform: an id, without any code.")] = "",
    workspace: Workspace = "",
) -> None:
    """Let somebody in: by the code that the bot gave them, or by platform and id."""
    run_async(_approve(who, account, workspace))


async def _approve(who: str, account: str, workspace: str) -> None:
    from core.access import typed_code
    from core.errors import NotFound
    from core.ports import AccessState

    if account:
        await _set(who, account, workspace, AccessState.ALLOWED)
        return
    async with application() as app:
        grant = await app.store.approve_access(typed_code(who), app.clock.now())
    if grant is None:
        raise NotFound(user_message="Nobody waits with that code: it is wrong, used, or more than a day old.")
    say(f"Let in: {grant.platform} {grant.external_id}")


@group.command()
def revoke(platform: Platform, account: Account, workspace: Workspace = "") -> None:
    """Forget what was decided about somebody; they may ask again."""
    run_async(_revoke(platform, account, workspace))


async def _revoke(platform: str, account: str, workspace: str) -> None:
    from core.errors import NotFound

    async with application() as app:
        found = [
            grant
            for grant in await app.store.list_access()
            if (grant.platform, grant.external_id) == (platform.lower(), account)
            and workspace in ("", grant.workspace_id)
        ]
        for grant in found:
            await app.store.drop_access(grant.platform, grant.workspace_id, grant.external_id)
    if not found:
        raise NotFound(user_message="Nothing is known of that id; `memorychat access list` shows them all.")
    say(f"Nothing is decided any more about {platform.lower()} {account}.")


@group.command()
def block(platform: Platform, account: Account, workspace: Workspace = "") -> None:
    """Refuse somebody in silence, whatever the policy."""
    from core.ports import AccessState

    run_async(_set(platform, account, workspace, AccessState.BLOCKED))


async def _set(platform: str, account: str, workspace: str, state: AccessState) -> None:
    from core.errors import BadArgument
    from core.ports import AccessGrant
    from core.types import PlatformName

    name = PlatformName(platform.lower())
    if name not in ("slack", "telegram", "discord"):
        raise BadArgument(user_message=f"{platform} is no platform: slack, telegram or discord.")
    async with application() as app:
        known = [item for item in await app.store.list_access() if (item.platform, item.external_id) == (name, account)]
        # What is known of the account under a workspace is replaced, not doubled.
        workspaces = {workspace} if workspace or not known else {item.workspace_id for item in known}
        for item in sorted(workspaces):
            await app.store.set_access(AccessGrant(name, item, account, state, app.clock.now()))
    say(f"{state.value.capitalize()}: {name} {account}")
