"""Transactions on a Postgres server: many at a time, each as if it were alone with the rows that it changes.

The functions of this package read, decide and write. On SQLite one writer makes that safe; here REPEATABLE READ does:
whoever changes a row that somebody else changed meanwhile is refused by the server and begins again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar, cast

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.stores.sql.engine import Reader, mapped
from adapters.stores.sql.faults import sqlstate
from adapters.stores.sql.schema import json_text, json_value
from core.errors import AnotherRunner, ConfigurationError, StoreUnavailable

T = TypeVar("T")

TRIES = 12
FIRST_PAUSE = 0.002
"""Seconds; doubled at every try, with jitter."""
TRUSTED = 1.0
"""Seconds for which a line that was just used counts as alive."""
_USED = "used_at"
_BEGIN_AGAIN = {"40001", "40P01"}
_TAKEN = "23505"
_RUNNER = 0x4D656D43686174
"""The advisory lock of the one process that talks to the platforms; "MemChat" in ASCII."""


def postgres_url(url: str) -> URL:
    """`postgres://` and `postgresql://` on the driver that we use. Raises ConfigurationError for anything else."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    if parsed.get_backend_name() != "postgresql" or not parsed.database:
        raise ConfigurationError("DATABASE_URL: a Postgres address has to name a database")
    return parsed.set(drivername="postgresql+psycopg")


def postgres_engine(url: str, connections: int) -> Engine:
    """A line that the server has cut is replaced before it is used: its restart costs a look, not a message.

    `pool_pre_ping` would ask the server each time, one more journey for every transaction. What it said when it cut
    the line has arrived already; it is only asked after a pause, in which the network can have lost the line silently.
    """
    engine = create_engine(
        postgres_url(url),
        isolation_level="REPEATABLE READ",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,
        json_serializer=json_text,
        json_deserializer=json_value,
        # An insert that found its row there already says so by its count.
        execution_options={"preserve_rowcount": True},
        connect_args={"connect_timeout": 5},
    )

    def on_checkin(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    def on_checkout(connection: psycopg.Connection, record: ConnectionPoolEntry, _fairy: object) -> None:
        now = time.monotonic()
        idle = now - record.info.get(_USED, now)
        if not _is_whole(connection) or (idle > TRUSTED and not _answers(engine, connection)):
            raise DisconnectionError

    event.listen(engine, "checkin", on_checkin)
    event.listen(engine, "checkout", on_checkout)
    return engine


def _is_whole(connection: psycopg.Connection) -> bool:
    """As far as is known on this side."""
    try:
        for _ in range(2):  # the server's last words, then the end of the line
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return True


def _answers(engine: Engine, connection: psycopg.Connection) -> bool:
    try:
        return bool(engine.dialect.do_ping(cast(DBAPIConnection, connection)))
    except psycopg.Error:
        return False


class ServerWriter:
    """Runs functions that take a Connection, each in one transaction, `threads` at a time.

    Functions have to be fit to be run again.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store-writer")
        self._closed = False

    async def run(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Raises only errors of our own tree and those of `work`; StoreUnavailable after `close`."""
        return await self.outside(lambda engine: transaction(engine, work if durable else _in_a_hurry(work)))

    async def outside(self, work: Callable[[Engine], T]) -> T:
        """Run what manages its own transactions (migrations, VACUUM)."""
        if self._closed:
            raise StoreUnavailable("closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, mapped, work, self._engine)

    async def close(self) -> None:
        """Wait for what is under way. Idempotent."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
        await asyncio.to_thread(self._engine.dispose)


class ServerReader(Reader):
    """Reads begin again as writes do."""

    def _transact(self, work: Callable[[Connection], T], engine: Engine) -> T:
        return transaction(engine, work)


def transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Begin again where the server says so, and once where it cut the line before it was asked to commit.

    A line that is lost later is not tried again: the commit may have reached the server.
    """
    pause = FIRST_PAUSE
    for left in reversed(range(TRIES)):
        is_first, committing = left == TRIES - 1, False
        try:
            with engine.begin() as connection:
                result = work(connection)
                committing = True
            return result
        except DBAPIError as error:
            state = sqlstate(error)
            # A key that somebody else took meanwhile is found at the second look; the third would find it taken again.
            once = state == _TAKEN or (error.connection_invalidated and not committing)
            if not left or not (state in _BEGIN_AGAIN or (is_first and once)):
                raise
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311  # jitter, no secret
        pause *= 2
    raise AssertionError("unreachable")


def _in_a_hurry(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Commit without a wait for the server's disk: https://www.postgresql.org/docs/current/wal-async-commit.html."""

    def first(connection: Connection) -> T:
        connection.exec_driver_sql("set local synchronous_commit to off")
        return work(connection)

    return first


class AdvisoryLock:
    """The runner lock, held by a connection of its own: the server frees it when the process or its line is gone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: Connection | None = None

    def take(self) -> None:
        """Raises AnotherRunner. Taking it again is no error, and notices a line that was lost meanwhile."""
        if self._held is not None and _alive(self._held):
            return
        self.release()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not connection.exec_driver_sql(f"select pg_try_advisory_lock({_RUNNER})").scalar():
            connection.close()
            raise AnotherRunner
        self._held = connection

    def release(self) -> None:
        if self._held is not None:
            # Said as well as shown by the line's end, which the server notices only a moment later.
            with suppress(SQLAlchemyError):
                self._held.exec_driver_sql(f"select pg_advisory_unlock({_RUNNER})")
            # The connection ends with the lock; it does not go back to the pool with it.
            self._held.invalidate()
            self._held.close()
            self._held = None


def _alive(connection: Connection) -> bool:
    try:
        connection.exec_driver_sql("select 1")
    except DBAPIError:
        return False
    return True
