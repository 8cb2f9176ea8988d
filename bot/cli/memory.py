"""`memorychat memory`: what a person's profile holds, for the operator of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import application, find_owner, find_profile, note, run_async, say, table

if TYPE_CHECKING:
    from core.types import Memory

group = typer.Typer(help="Look at memories, or embed them anew.", no_args_is_help=True)

Profile = Annotated[str | None, typer.Option("--profile", help="Profile's name; else the default one.")]
User = Annotated[str | None, typer.Option("--user", help="User's id; else the person at this terminal.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]

HEADINGS = ("id", "said", "state", "memory")


@group.command("list")
def list_(profile: Profile = None, user: User = None, limit: Limit = 100) -> None:
    """List a profile's memories, newest first."""
    run_async(_list(profile, user, limit))


async def _list(profile: str | None, user: str | None, limit: int) -> None:
    async with application() as app:
        found = await find_profile(app, await find_owner(app, user), profile)
        memories = await app.memory.get_memories(found.namespace, limit=limit, include_superseded=True)
        table(HEADINGS, [_row(memory) for memory in memories])
        total = await app.memory.count_memories(found.namespace)
        note(f"{total} to recall in profile {found.name}.")


@group.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    profile: Profile = None,
    user: User = None,
    limit: Limit = 10,
) -> None:
    """Search a profile as a reply would."""
    run_async(_search(query, profile, user, limit))


async def _search(query: str, profile: str | None, user: str | None, limit: int) -> None:
    async with application() as app:
        found = await find_profile(app, await find_owner(app, user), profile)
        recalled = await app.memory.search_memories([found.namespace], query, limit=limit)
        rows = [(f"{item.score:.3f}", *_row(item.memory)) for item in recalled]
        table(("score", *HEADINGS), rows)
        if not rows:
            note("Nothing that would be worth recalling.")


@group.command()
def reindex() -> None:
    """Embed again every memory that another embedder made; needed after a change of EMBEDDINGS."""
    run_async(_reindex())


async def _reindex() -> None:
    async with application() as app:
        say(f"{await app.memory.reindex()} memories embedded again.")


def _row(memory: Memory) -> tuple[str, str, str, str]:
    return (str(memory.id)[:8], f"{memory.said_at:%Y-%m-%d %H:%M}", memory.state.value, memory.text)
