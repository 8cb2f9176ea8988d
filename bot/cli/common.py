"""What every command needs: settings, logging, the running application, and a way to say what went wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from core.errors import AnotherRunner, ConfigurationError, MemoryChatError, NotFound, SchemaMismatch, StoreError

if TYPE_CHECKING:
    from bot.bootstrap import App
    from bot.settings import Settings
    from core.types import MemoryProfile, UserId


def load_settings(*, quiet: bool = False) -> Settings:
    """The settings, with logging set up and misspelt variables told. `quiet`: errors only, for talks in the terminal.

    Raises ConfigurationError.
    """
    from bot.logs import set_up_logging
    from bot.settings import get_settings, settings_warnings

    settings = get_settings()
    level = settings.logging.level
    set_up_logging(
        "ERROR" if quiet and level != "DEBUG" else level, settings.logging.format, secrets=settings.secrets()
    )
    for line in settings_warnings():
        note(f"Note: {line}")
    return settings


def note(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(text + "\n")


def say(text: str) -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")


def report(error: Exception) -> int:
    """Say in one human sentence what went wrong; the exit code. Where it happened is told at LOG_LEVEL=DEBUG only."""
    if isinstance(error, BrokenPipeError):
        # Nobody reads on: leave quietly, and keep the interpreter from flushing into the pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, ConfigurationError):
        note("MemoryChat cannot start with these settings:")
        for problem in error.problems:
            note(f"  {problem}")
        return 2
    if isinstance(error, MemoryChatError):
        note(error.user_message)
        if isinstance(error, StoreError) and not isinstance(error, AnotherRunner | SchemaMismatch):
            note("`memorychat doctor` tells what is wrong and how to mend it.")
    else:
        note(f"That failed unexpectedly ({type(error).__name__}). LOG_LEVEL=DEBUG tells where.")
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        from bot.logs import describe_exception

        note(describe_exception(error))
    return 1


def run_async(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@asynccontextmanager
async def application() -> AsyncIterator[App]:
    """The object graph of this process over the database; it works beside a running bot."""
    from bot.bootstrap import build

    async with build(load_settings(), answering=False) as app:
        yield app


async def find_owner(app: App, user: str | None, *, create: bool = False) -> UserId:
    """The given user, else the person at this machine's terminal, who may have to be created. Raises NotFound."""
    from adapters.platforms.console.translate import PERSON, PLACE
    from core.types import UserId

    if user is not None:
        return (await app.store.get_user_by_id(UserId(user))).id
    if create:
        return (await app.store.resolve_identity(PLACE.platform, PLACE.workspace_id, PERSON, ""))[0].user_id
    identity = await app.store.find_identity(PLACE.platform, PLACE.workspace_id, PERSON)
    if identity is None:
        raise NotFound(user_message="Nobody has talked here yet: `memorychat chat` begins, or name somebody by --user.")
    return identity.user_id


async def find_profile(app: App, owner: UserId, name: str | None) -> MemoryProfile:
    """The owner's profile of that name, else their default one. Raises NotFound with the names that there are."""
    from core.profiles import name_key

    if name is None:
        return await app.store.get_default_memory_profile(owner)
    profiles = await app.store.get_memory_profiles(owner)
    for profile in profiles:
        if name_key(profile.name) == name_key(name):
            return profile
    names = ", ".join(profile.name for profile in profiles)
    raise NotFound(user_message=f"There is no profile of that name. There are: {names}.")


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, write: Callable[[str], None] = say) -> None:
    """A table for eyes on a terminal; lines with tabs between for programs."""
    if not sys.stdout.isatty():
        for row in rows:
            write("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(shown)
