from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine

from adapters.stores import migrations
from adapters.stores.sql.postgres import AdvisoryLock, ServerReader, ServerWriter, postgres_engine
from adapters.stores.sql.store import SqlStore
from core.direct import DIRECT
from core.errors import SchemaMismatch
from core.messages import InboxRow
from core.ports.clock import Clock
from core.types import ConversationId, Lane

Enqueue = Callable[[Connection, ConversationId, Lane], None]


class PostgresStore(SqlStore):
    """The Store on a Postgres server: `PostgresStore("postgresql://user@host/name", clock)`, then `await open()`.

    Any number of processes may use the same database. `writers` and `readers` are the transactions at a time, each of
    them a connection; one more holds the runner lock. `enqueue` is called in the transaction that accepts a message.

    Raises ConfigurationError for another address.
    """

    def __init__(
        self, url: str, clock: Clock, *, writers: int = 6, readers: int = 4, enqueue: Enqueue | None = None
    ) -> None:
        self._enqueue_job = enqueue
        self._url = url
        self._line = AdvisoryLock(postgres_engine(url, 1))
        # Not SqlStore's own, which makes what a file needs.
        super(SqlStore, self).__init__(
            clock,
            ServerWriter(postgres_engine(url, writers), writers),
            ServerReader(postgres_engine(url, readers), readers),
        )

    async def open(self) -> None:
        """Raises SchemaMismatch: `memorychat db upgrade` has to be run first, once for all processes."""
        found = await self._writer.outside(lambda _: migrations.current(self._url))
        if found != migrations.HEAD:
            raise SchemaMismatch(found, user_message=migrations.mismatch(found))

    def _accepted(self, connection: Connection, row: InboxRow) -> None:
        # A direct turn is run by the process that took it, whose caller waits there.
        if self._enqueue_job is not None and row.address.place.platform != DIRECT:
            self._enqueue_job(connection, row.stamp.conversation_id, row.lane)

    async def take_runner_lock(self, owner: str) -> None:
        """`owner` is not written anywhere: the lock is the connection's."""
        del owner
        await self._writer.outside(lambda _: self._line.take())

    async def release_runner_lock(self) -> None:
        self._line.release()

    async def compact(self) -> None:
        """Autovacuum does it; only tables that a job just emptied are helped along."""
        await self._writer.outside(_vacuum)


def _vacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("chat_messages", "mem0_memories", "inbox", "outbox"):
            connection.exec_driver_sql(f"vacuum {table}")
