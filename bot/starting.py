"""Why the start does not get through to the database or the keys, in a sentence that names the setting and the mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import (
    AnotherRunner,
    ConfigurationError,
    SchemaMismatch,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from bot.settings import Settings

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


@contextmanager
def opening(settings: Settings) -> Iterator[None]:
    """Raises ConfigurationError for what an operator has to mend before anything can work."""
    try:
        yield
    except (AnotherRunner, SchemaMismatch):
        raise
    except StoreError as error:
        raise ConfigurationError(_problem(settings, error)) from error


def _problem(settings: Settings, error: StoreError) -> str:
    if settings.on_supabase:
        return error.user_message
    if settings.on_postgres:
        reason = _reason(error)
        return f"DATABASE_URL: the database cannot be used ({reason}). Start it, or mend address, user or password."
    variable = "MEMORYCHAT_HOME" if settings.database.url is None else "DATABASE_URL"
    place = Path(settings.database_address.removeprefix("sqlite:///")).absolute()
    if error.args[:1] and str(error.args[0]) in _DAMAGED:
        return f"{variable}: {place} is damaged, or no database. Restore a backup, or set {variable} to another place."
    reason, mend = _reason(error), _mend(error)
    return f"{variable}: {place.parent} cannot be used ({reason}). {mend}, or set {variable} to another place."


def _reason(error: StoreError) -> str:
    """The system's own words where it has some; they name no content."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return " ".join(map(str, error.args)) or type(error).__name__


_WORDS: dict[type[StoreError], str] = {
    StoreFull: "its disk is full, or a quota is used up",
    StoreReadOnly: "it cannot be written",
    StoreUnavailable: "it does not answer, or another program holds it",
}


def _mend(error: StoreError) -> str:
    if isinstance(error, StoreFull):
        return "Make room there"
    if isinstance(error.__cause__, PermissionError) or isinstance(error, StoreReadOnly):
        return "Make it a folder that this user can write to"
    return "Mend that"
