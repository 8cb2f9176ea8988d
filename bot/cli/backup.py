"""`memorychat backup` and `memorychat restore`: the database's copy; keys stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url

from bot.cli.common import load_settings, say
from bot.settings import Settings
from core.errors import ConfigurationError

File = Annotated[Path, typer.Argument(help="The backup's file.")]


def backup(file: File) -> None:
    """Copy the database to a new file, also while the bot runs; the keys that open it are not in there."""
    database = _database(load_settings())
    from adapters.stores.backup import backup as copy

    size = copy(database, file)
    say(f"Wrote {size:,} bytes. Its texts open only with the keys, which are not in it: keep a copy of both, apart.")


def restore(file: File) -> None:
    """Put a backup in the database's place; the bot has to be stopped."""
    database = _database(load_settings())
    from adapters.stores.backup import restore as put_back

    found = put_back(file, database)
    say(f"Restored (it had schema {found}). What was erased since the backup stays unreadable: its keys are gone.")


def _database(settings: Settings) -> Path:
    if settings.on_postgres:
        raise ConfigurationError(
            "DATABASE_URL is a Postgres server: use pg_dump and pg_restore (or your provider's backups), and keep "
            "KEYRING_URL's database out of them"
        )
    if settings.on_supabase:
        raise ConfigurationError(
            "SUPABASE_URL is where everything is kept: use the project's own backups, or pg_dump on its direct "
            "connection; the keys are in neither while they stay in the home folder"
        )
    return Path(str(make_url(settings.database_address).database))
