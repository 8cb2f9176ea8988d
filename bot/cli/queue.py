"""`memorychat queue`: turns that were given up."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import load_settings, run_async, say
from bot.settings import Settings
from core.errors import NotFound

SHOWN = 1000

group = typer.Typer(help="Turns that were given up.", no_args_is_help=True)
TurnArgument = Annotated[str, typer.Argument(help="A turn's id, as `memorychat queue list` shows it.")]


@group.command("list")
def list_() -> None:
    """Show the turns that failed, newest first: when, where, after how many tries and why, never what was said."""
    run_async(_list(load_settings()))


@group.command()
def retry(turn: TurnArgument) -> None:
    """Put a turn back into the queue; the running bot answers it within seconds."""
    run_async(_act(load_settings(), turn, drop=False))


@group.command()
def drop(turn: TurnArgument) -> None:
    """Remove a turn for good, with what came of it."""
    run_async(_act(load_settings(), turn, drop=True))


async def _list(settings: Settings) -> None:
    from bot.bootstrap import build

    async with build(settings, answering=False) as app:
        failed = await app.store.failed_turns(SHOWN)
        for row in failed:
            told = f"{row.accepted_at:%Y-%m-%d %H:%M}  {row.address.place.platform}  tries: {row.attempts}"
            say(f"{row.id}  {told}  {row.note or 'no reason was noted'}")
        if not failed:
            say("No turn was given up.")


async def _act(settings: Settings, turn: str, *, drop: bool) -> None:
    from bot.bootstrap import build

    async with build(settings, answering=False) as app:
        wanted = [row for row in await app.store.failed_turns(SHOWN) if row.id == turn]
        if not wanted:
            raise NotFound(user_message="There is no such failed turn; `memorychat queue list` shows them.")
        row = wanted[0]
        if drop:
            await app.store.forget_turns(row.stamp.author_id, [row.id])
            say("Dropped.")
        else:
            await app.store.reopen_turn(row.stamp.author_id, row.id)
            say("It is in the queue again.")
