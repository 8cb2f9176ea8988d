"""Synchronous transactions on threads of their own, so that the event loop never waits for a disk.

SQLite has one writer: a single thread with a single connection whose transactions begin IMMEDIATE, which no second
process can deadlock. Readers have their own connections; in WAL mode they see every commit that came before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import DBAPIConnection

from adapters.stores.sql.faults import FOREIGN, as_store_error
from core.errors import StoreUnavailable
from core.ports.clock import Clock

T = TypeVar("T")
P = ParamSpec("P")
G = TypeVar("G", bound="Group")

# FULL: an acknowledged message survives a loss of power. secure_delete: deleted text is overwritten in the file.
# temp_store: no sorted or vacuumed content in temporary files.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY")


class Reader:
    """Runs functions that take a Connection, each in one transaction, on at most `threads` threads."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")
        self._closed = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Raises only errors of our own tree and those of `work`; StoreUnavailable after `close`."""
        if self._closed:
            raise StoreUnavailable("closed")

        transact = partial(self._transact, work)
        return await asyncio.get_running_loop().run_in_executor(self._executor, mapped, transact, self._engine)

    def _transact(self, work: Callable[[Connection], T], engine: Engine) -> T:
        with engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """Wait for what is under way. Idempotent."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
        await asyncio.to_thread(self._engine.dispose)


def mapped(work: Callable[[Engine], T], engine: Engine) -> T:
    """Raises only errors of our own tree."""
    try:
        return work(engine)
    except FOREIGN as error:
        raise as_store_error(error) from error


def sqlite_engine(
    url: URL, *, connections: int, begin: str, busy_timeout: float = 5.0, pragmas: Sequence[str] = ()
) -> Engine:
    """`begin` is the statement that opens a transaction; `busy_timeout` in seconds is how long it waits for a lock."""
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": busy_timeout},
    )

    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        # The driver's own BEGIN is deferred and late; None leaves transactions to us.
        connection.isolation_level = None
        for pragma in (*_PRAGMAS, *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


class Transactions(Protocol):
    """Who runs the writing transactions: the one thread of SQLite, or many on a server."""

    async def run(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """`durable` False: a loss of power may take it back, the end of this process may not."""
        ...

    async def outside(self, work: Callable[[Engine], T]) -> T: ...

    async def close(self) -> None: ...


class Group:
    """What every part of the store stands on."""

    def __init__(self, clock: Clock, writer: Transactions, reader: Reader) -> None:
        self._clock = clock
        self._writer = writer
        self._reader = reader


def writes(function: Callable[Concatenate[G, Connection, P], T]) -> Callable[Concatenate[G, P], Coroutine[Any, Any, T]]:
    """The synchronous method as one writing transaction to await."""

    @wraps(function)
    async def method(self: G, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._writer.run(lambda connection: function(self, connection, *args, **kwargs))

    return method


def hurried(
    function: Callable[Concatenate[G, Connection, P], T],
) -> Callable[Concatenate[G, P], Coroutine[Any, Any, T]]:
    """As `writes`, without a wait for the disk: for what the rest is as right without, when power fails a moment later.

    That are leases, which end with the power, and that a reply was sent, which is then sent again under its label.
    """

    @wraps(function)
    async def method(self: G, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._writer.run(lambda connection: function(self, connection, *args, **kwargs), durable=False)

    return method


def reads(function: Callable[Concatenate[G, Connection, P], T]) -> Callable[Concatenate[G, P], Coroutine[Any, Any, T]]:
    """The synchronous method as one reading transaction to await."""

    @wraps(function)
    async def method(self: G, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._reader.run(lambda connection: function(self, connection, *args, **kwargs))

    return method


def insert(table: Table) -> postgresql.Insert:
    """An insert that knows ON CONFLICT; Postgres's compiles for SQLite as well, not the other way round."""
    return postgresql.insert(table)
