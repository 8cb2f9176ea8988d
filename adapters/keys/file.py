"""A keyring in one small SQLite file, beside the database and outside its backups."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

import sqlalchemy as sa

from adapters.keys.keyring import SqlKeyring
from adapters.keys.master import MasterKey
from core.errors import StoreFull, StoreReadOnly
from core.ports import DataKey

PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON", "temp_store=MEMORY", "busy_timeout=5000")
"""A new key is on the disk before it is used, and no journal with earlier pages stays."""

REMEMBERED = 4096

SEARCHED = 8
"""When more keys go at once, rewriting the file costs less than searching it for each."""

REMNANT = 8
"""A leftover of a destroyed key of twice as many bytes is always found."""


class FileKeyring(SqlKeyring):
    """Readable by its owner alone. Several processes may use it, each with one object.

    A destroyed key leaves no byte: SQLite's secure_delete overwrites the row, but not copies that moving rows between
    pages may have left (seen for one key in 500 of a rowid table, not yet of this one), so the file is searched, and
    rewritten when a copy is found.

    Keys are remembered for as long as the file's change counter stands still, which every change by any process moves.
    """

    def __init__(self, path: Path, master: MasterKey) -> None:
        super().__init__(sa.URL.create("sqlite", database=str(path)), master)
        self._path = path
        self._file: int | None = None
        """Open until SQLite is done: closing any handle of a file drops the locks that this process has on it."""
        self._known: tuple[bytes, dict[str, DataKey]] = (b"", {})
        """By scope, and the change counter that they were read at."""
        sa.event.listen(self._engine, "connect", _prepare)

    async def current(self, scope: str) -> DataKey:
        counter, keys = self._known
        key = keys.get(scope)
        return key if key is not None and counter == self._counter() else await super().current(scope)

    async def close(self) -> None:
        await super().close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _place(self) -> str:
        return str(self._path)

    def _make_table(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (StoreFull if full else StoreReadOnly)("keyring", error.errno) from error
        super()._make_table()
        with self._engine.connect() as connection:
            interrupted = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if interrupted:
            self._rewrite()

    def _counter(self) -> bytes:
        """See https://sqlite.org/fileformat.html#file_change_counter; so quickly read that the event loop may."""
        return os.pread(self._file, 4, 24) if self._file is not None else b""

    def _current(self, scopes: Sequence[str]) -> dict[str, DataKey]:
        counter = self._counter()  # before the keys, so that a change meanwhile makes them stale
        if counter != self._known[0] or len(self._known[1]) >= REMEMBERED:
            self._known = (counter, {})
        found = super()._current(scopes)
        counter, keys = self._known
        self._known = (counter, {**keys, **found})
        return found

    def _add(self, rows: list[dict[str, object]]) -> None:
        """What is remembered stays so: adding keys changes no other, and nobody else has written meanwhile where the
        counter has moved by this one change."""
        before = self._counter()
        super()._add(rows)
        counter, keys = self._known
        if counter == before and self._counter() == _next(before):
            self._known = (_next(before), keys)

    def _destroy(self, scopes: Sequence[str]) -> int:
        searched = self._rows(self._table.c.scope.in_(scopes)) if len(scopes) <= SEARCHED else []
        with self._engine.begin() as connection:
            gone = self._delete(connection, scopes)
            # Until the next start has rewritten the file: the search below may not be reached.
            connection.exec_driver_sql("PRAGMA user_version=1")
        content = os.pread(self._file, os.fstat(self._file).st_size, 0) if self._file is not None else b""
        if gone > len(searched) or any(_has_remnant(content, row.wrapped) for row in searched):
            self._rewrite()
        return gone

    def _rewrite(self) -> None:
        with self._engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            free.exec_driver_sql("VACUUM")
            free.exec_driver_sql("PRAGMA user_version=0")


def _next(counter: bytes) -> bytes:
    """After one more change; the counter is big-endian and wraps around, what stands before it remains."""
    moved = (int.from_bytes(counter[-4:]) + 1) % 2**32
    return counter[:-4] + moved.to_bytes(4)


def _prepare(connection: Connection, _record: object) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _has_remnant(content: bytes, wrapped: bytes) -> bool:
    return any(wrapped[start : start + REMNANT] in content for start in range(0, len(wrapped) - REMNANT + 1, REMNANT))
