from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.engine.interfaces import DBAPICursor

from adapters.stores import migrations
from adapters.stores.sql.access import SqlAccess
from adapters.stores.sql.accounts import SqlAccounts
from adapters.stores.sql.audit import SqlAudit
from adapters.stores.sql.conversations import SqlConversations
from adapters.stores.sql.engine import Reader, sqlite_engine
from adapters.stores.sql.erasure import SqlErasure
from adapters.stores.sql.files import RunnerLock, prepare
from adapters.stores.sql.forgetting import SqlForgetting
from adapters.stores.sql.links import SqlLinks
from adapters.stores.sql.maintenance import SqlMaintenance
from adapters.stores.sql.memories import SqlMemories
from adapters.stores.sql.profiles import SqlProfiles
from adapters.stores.sql.replies import SqlReplies
from adapters.stores.sql.scenes import SqlScenes
from adapters.stores.sql.sessions import SqlSessions
from adapters.stores.sql.turns import SqlTurns
from adapters.stores.sql.users import SqlUsers
from adapters.stores.sql.writer import Writer
from core.errors import ConfigurationError, StoreUnavailable
from core.ports.clock import Clock

VACUUM_SHARE = 4
"""One page in so many has to be free before the file is written anew; deleted bytes are overwritten anyway."""


class SqlStore(
    SqlScenes,
    SqlUsers,
    SqlProfiles,
    SqlConversations,
    SqlSessions,
    SqlMemories,
    SqlTurns,
    SqlReplies,
    SqlLinks,
    SqlErasure,
    SqlForgetting,
    SqlAudit,
    SqlAccounts,
    SqlAccess,
    SqlMaintenance,
):
    """The Store on SQLite: `SqlStore("sqlite:///folder/file.db", clock)`, then `await open()`.

    `readers` is the number of threads that read beside the one that writes; `busy_timeout` in seconds is how long to
    wait for another process before StoreUnavailable; `pragmas` (`name=value`) come on top of our own on every
    connection. Other processes may use the same file.

    Raises ConfigurationError for a URL that names no SQLite file.
    """

    def __init__(
        self, url: str, clock: Clock, *, readers: int = 2, busy_timeout: float = 5.0, pragmas: Sequence[str] = ()
    ) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
            raise ConfigurationError("DATABASE_URL: a SQLite URL has to name a file, as in sqlite:///folder/file.db")
        self._url = url
        self._path = Path(str(parsed.database))
        self._lock = RunnerLock(self._path)
        engine = partial(sqlite_engine, parsed, busy_timeout=busy_timeout, pragmas=pragmas)
        super().__init__(
            clock,
            Writer(engine(connections=1, begin="BEGIN IMMEDIATE")),
            Reader(engine(connections=readers, begin="BEGIN"), readers),
        )

    async def open(self) -> None:
        """Make what is missing, bring the schema up to date.

        Raises SchemaMismatch (the file stays as it is), StoreReadOnly, StoreFull, StoreUnavailable.
        """
        await self._writer.outside(self._prepare)

    def _prepare(self, _engine: Engine) -> None:
        prepare(self._path)
        migrations.upgrade(self._url)

    async def close(self) -> None:
        await self.release_runner_lock()
        await self._reader.close()
        await self._writer.close()

    async def take_runner_lock(self, owner: str) -> None:
        """`owner` is not written anywhere: the lock is the process's."""
        del owner
        await self._writer.outside(lambda _: self._lock.take())

    async def release_runner_lock(self) -> None:
        self._lock.release()

    async def compact(self) -> None:
        """Give freed pages back when they are many, then empty the write-ahead log into the file.

        Raises StoreUnavailable while another process reads or writes.
        """
        await self._writer.outside(_compact)


def _compact(engine: Engine) -> None:
    # On the driver's connection, because neither statement may stand in a transaction.
    pooled = engine.raw_connection()
    try:
        cursor = pooled.cursor()
        free = _pragma(cursor, "freelist_count")
        if free * VACUUM_SHARE > _pragma(cursor, "page_count"):
            cursor.execute("VACUUM")
        if _pragma(cursor, "wal_checkpoint(TRUNCATE)"):
            raise StoreUnavailable("checkpoint")
    finally:
        pooled.close()


def _pragma(cursor: DBAPICursor, name: str) -> int:
    cursor.execute(f"PRAGMA {name}")
    return int(cursor.fetchall()[0][0])
