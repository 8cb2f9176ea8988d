"""Copies of a SQLite database while it is in use. What is sealed stays sealed: the keys are not in the copy.

The vector index is made of the rows, so that a copy of the rows is consistent with it. Blocking.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from adapters.stores import migrations
from adapters.stores.sql.faults import as_store_error
from adapters.stores.sql.files import RunnerLock, prepare
from core.errors import ConfigurationError, NotFound


def backup(database: Path, copy: Path) -> int:
    """Write a copy to a file that does not exist yet, readable by its owner alone; its size in bytes.

    Raises NotFound (no database), ConfigurationError (the file exists, or cannot be made), StoreError.
    """
    if not database.exists():
        raise NotFound(user_message="There is no database yet that could be backed up.")
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise ConfigurationError("that file exists already; a backup never overwrites") from None
    except OSError as error:
        raise ConfigurationError(f"that file cannot be written: {type(error).__name__}") from None
    try:
        _copy(database, copy)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy.stat().st_size


def restore(copy: Path, database: Path) -> str:
    """Put a backup in the place of the database, bring it to this version's schema; the schema it had.

    Raises NotFound (no such file), SchemaMismatch (not ours, or of a newer version), AnotherRunner (a bot is running),
    StoreError (damaged). Until the last step nothing is changed.
    """
    found = migrations.current(f"sqlite:///{copy}")
    if found is None:
        raise NotFound(user_message="There is no backup of MemoryChat in that file.")
    migrations.refuse_unknown(found)
    with _mapped(), closing(_read_only(copy)) as source:
        if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
    with _mapped():
        prepare(database)
    lock = RunnerLock(database)
    lock.take()
    try:
        _copy(copy, database)
        migrations.upgrade(f"sqlite:///{database}")
    finally:
        lock.release()
    return found


def _copy(source: Path, target: Path) -> None:
    with _mapped(), closing(_read_only(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise as_store_error(error) from error
