"""`memorychat profile`: a person's profiles, for the operator of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import application, find_owner, run_async, say, table
from bot.cli.memory import User

group = typer.Typer(help="List profiles, or make one.", no_args_is_help=True)


@group.command("list")
def list_(user: User = None) -> None:
    """List the profiles; the default one is marked."""
    run_async(_list(user))


async def _list(user: str | None) -> None:
    async with application() as app:
        profiles = await app.store.get_memory_profiles(await find_owner(app, user))
        rows = [(item.name, "default" if item.is_default else "", str(item.memory_count)) for item in profiles]
        table(("profile", "", "memories"), rows)


@group.command()
def new(
    name: Annotated[str, typer.Argument(help="1 to 40 characters.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    user: User = None,
) -> None:
    """Make a profile. `/profile use NAME` in a chat switches to it."""
    run_async(_new(name, description, user))


async def _new(name: str, description: str, user: str | None) -> None:
    from core.profiles import clean_profile_name

    cleaned = clean_profile_name(name)
    async with application() as app:
        owner = await find_owner(app, user, create=True)
        profile = await app.store.create_memory_profile(owner, cleaned, description)
        say(f"Made the profile {profile.name}. In a chat: /profile use {profile.name}")
