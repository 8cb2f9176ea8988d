"""A keyring in one small SQLite file, beside the database and outside its backups."""

from __future__ import annotations

import os
from pathlib import Path
from sqlite3 import Connection

import sqlalchemy as sa

from adapters.keys.keyring import SqlKeyring
from adapters.keys.master import MasterKey
from core.errors import StoreReadOnly

PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON", "temp_store=MEMORY", "busy_timeout=5000")
"""A new key is on the disk before it is used, and no journal with earlier pages stays."""

REMNANT = 8
"""A leftover of a destroyed key of twice as many bytes is always found."""


class FileKeyring(SqlKeyring):
    """Readable by its owner alone. Several processes may use it.

    A destroyed key leaves no byte: SQLite's secure_delete overwrites the row, but not copies that moving rows between
    pages may have left (seen for one key in 500 of a rowid table, not yet of this one), so the file is searched, and
    rewritten when a copy is found.
    """

    def __init__(self, path: Path, master: MasterKey) -> None:
        super().__init__(sa.URL.create("sqlite", database=str(path)), master)
        self._path = path
        sa.event.listen(self._engine, "connect", _prepare)

    def _place(self) -> str:
        return str(self._path)

    def _make_table(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreReadOnly("keyring", error.errno) from None
        super()._make_table()
        with self._engine.connect() as connection:
            interrupted = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if interrupted:
            self._rewrite()

    def _destroy(self, scope: str) -> int:
        doomed = self._rows(self._table.c.scope == scope)
        with self._engine.begin() as connection:
            gone = connection.execute(sa.delete(self._table).where(self._table.c.scope == scope)).rowcount
            # Until the next start has rewritten the file: the search below may not be reached.
            connection.exec_driver_sql("PRAGMA user_version=1")
        content = self._path.read_bytes()
        if any(_has_remnant(content, row.wrapped) for row in doomed):
            self._rewrite()
        return gone

    def _rewrite(self) -> None:
        with self._engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            free.exec_driver_sql("VACUUM")
            free.exec_driver_sql("PRAGMA user_version=0")


def _prepare(connection: Connection, _record: object) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _has_remnant(content: bytes, wrapped: bytes) -> bool:
    return any(wrapped[start : start + REMNANT] in content for start in range(0, len(wrapped) - REMNANT + 1, REMNANT))
