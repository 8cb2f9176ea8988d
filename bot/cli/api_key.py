"""`memorychat api-key`: keys for programs that use the REST API for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import application, find_owner, note, run_async, say, table

group = typer.Typer(help="Make, list and revoke keys for programs that use the REST API.", no_args_is_help=True)


@group.command()
def new(
    name: Annotated[str, typer.Argument(help="What it is for, 1 to 40 characters.")],
    email: Annotated[str | None, typer.Option(help="The account's e-mail address.")] = None,
    user: Annotated[str | None, typer.Option(help="The person's id, instead of the address.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="read, write, chat or export; repeat for several.")] = None,
) -> None:
    """Make a key for one person. It is shown once."""
    run_async(_new(name, email, user, scope or ["read"]))


async def _new(name: str, email: str | None, user: str | None, scopes: list[str]) -> None:
    from adapters.http.api_keys import SCOPES, key_hash, make_api_key
    from core.errors import BadArgument, NotFound

    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not 1 <= len(name.strip()) <= 40:
        raise BadArgument(user_message=f"A name has 1 to 40 characters; scopes are {', '.join(SCOPES)}.")
    async with application() as app:
        if email is not None:
            found = await app.store.get_user_by_email(email)
            if found is None:
                raise NotFound(user_message="Nobody has an account with that e-mail address.")
            owner = found.id
        else:
            owner = await find_owner(app, user)
        key, stored = make_api_key(owner, name.strip(), scopes, app.clock)
        await app.store.create_api_key(stored, key_hash(key))
        note("This key is shown only now. Programs send it as X-API-Key:")
        say(key)


@group.command("list")
def list_() -> None:
    """List the keys of everybody; the keys themselves are not kept."""
    run_async(_list())


async def _list() -> None:
    async with application() as app:
        rows = [
            (
                key.id,
                key.name,
                " ".join(key.scopes),
                f"{key.created_at:%Y-%m-%d}",
                f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never",
                "revoked" if key.revoked else "",
            )
            for key in await app.store.get_api_keys(None)
        ]
        table(("id", "name", "scopes", "made", "used", ""), rows)


@group.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Make a key stop working, at once."""
    run_async(_revoke(key_id))


async def _revoke(key_id: str) -> None:
    async with application() as app:
        key = await app.store.revoke_api_key(key_id)
        say(f"Revoked: {key.name}")
