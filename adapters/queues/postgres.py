"""The TurnQueue over several processes: procrastinate says where work is, the Store's rows say what it is.

A job names a conversation and a lane, never content, and is written in the transaction that accepts the message. Its
lock keeps a second worker from waking the same lane. The rows' leases are what counts: whatever becomes of a job, a
turn runs once, and a dead worker's turn is taken up after its lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text

from adapters.queues.embedded import EmbeddedQueue
from core.ports import Clock, Store, TurnHandler
from core.types import ConversationId, Lane

log = logging.getLogger(__name__)

SCHEMA = "memorychat_queue"
"""A schema of its own: Supabase's REST interface shows what is in `public`."""
TASK = "turn"
POLL = 0.2
"""Seconds until a follow-up that had to wait for its lock is looked for."""
HEARTBEAT = 3.0
STALLED = 10.0
"""Seconds without a heartbeat after which a worker counts as dead."""
_STOP = "memorychat_stop"

# The names of its own tables stand in procrastinate's functions without a schema, hence the fixed search_path.
_ENQUEUE = f"""
create function {SCHEMA}.enqueue(key text, args jsonb) returns void
    language sql security invoker set search_path = {SCHEMA} as $$
    select procrastinate_defer_jobs_v1(array[
        row('default', '{TASK}', 0, key, null, args, null)::procrastinate_job_to_defer_v1
    ])
$$
"""
_CALL = text(
    f"select {SCHEMA}.enqueue(:key, jsonb_build_object('conversation_id', cast(:conversation as text), "
    "'lane', cast(:lane as text)))"
)


def install(url: str) -> None:
    """Make the queue's tables where they are missing. Blocking; raises psycopg.Error."""
    with psycopg.connect(_address(url)) as connection:
        connection.execute("select pg_advisory_xact_lock(7308604759)")
        found = connection.execute("select to_regclass(%s)", [f"{SCHEMA}.procrastinate_jobs"]).fetchone()
        if found is None or found[0] is None:
            connection.execute(f"create schema if not exists {SCHEMA}".encode())
            connection.execute(f"set local search_path = {SCHEMA}".encode())
            connection.execute(SchemaManager.get_schema().encode())
            connection.execute(_ENQUEUE.encode())


def enqueue(connection: Connection, conversation_id: ConversationId, lane: Lane) -> None:
    """The job of an accepted message, in its transaction."""
    key = f"{conversation_id}:{lane}"
    connection.execute(_CALL, {"key": key, "conversation": conversation_id, "lane": lane.value})


class PostgresQueue(EmbeddedQueue):
    """What EmbeddedQueue does, woken by jobs instead of by whoever accepts in the same process.

    `answering` False: a process that only accepts. `stop_turn` is called where the turn runs that another process was
    asked to stop.
    """

    def __init__(
        self,
        url: str,
        store: Store,
        clock: Clock,
        *,
        owner: str,
        concurrency: int = 64,
        lease: float = 10.0,
        poll: float = 3.0,
        answering: bool = True,
        stop_turn: Callable[[ConversationId], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(store, clock, owner=owner, concurrency=concurrency, lease=lease, poll=poll)
        self._address = _address(url)
        self._jobs = concurrency
        self._answering = answering
        self._stop_turn = stop_turn
        path = {"options": f"-c search_path={SCHEMA}"}
        self._app = App(connector=PsycopgConnector(conninfo=self._address, kwargs=path, min_size=1, max_size=4))
        self._app.task(name=TASK, pass_context=False)(self._wake)
        self._helpers: list[asyncio.Task[None]] = []

    async def start(self, handler: TurnHandler) -> None:
        await self._app.open_async()
        if self._answering:
            await super().start(handler)
            self._helpers = [
                asyncio.create_task(self._worker()),
                asyncio.create_task(self._every(HEARTBEAT, self._reap)),
                asyncio.create_task(self._listen()),
            ]

    async def notify(self, conversation_id: ConversationId, lane: Lane = Lane.MAIN) -> None:
        """A process that only accepts has nothing to do: the job was written with the row, and what has none (a turn
        taken back for `/retry`) is found by looking."""
        if self._answering:
            await super().notify(conversation_id, lane)

    async def cancel(self, conversation_id: ConversationId) -> bool:
        if (conversation_id, Lane.MAIN) in self._running:
            return await super().cancel(conversation_id)
        async with await psycopg.AsyncConnection.connect(self._address, autocommit=True) as connection:
            await connection.execute("select pg_notify(%s, %s)", [_STOP, conversation_id])
        return True

    async def stop(self, grace: float) -> None:
        for task in self._helpers:
            task.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)
        await super().stop(grace)
        await self._app.close_async()

    async def _wake(self, conversation_id: str, lane: str) -> None:
        """The job: it ends when the lane has nothing to claim, so that its lock covers the turns."""
        key = (ConversationId(conversation_id), Lane(lane))
        await super().notify(*key)
        while (task := self._lanes.get(key)) is not None:
            await asyncio.wait([task])

    async def _look(self) -> None:
        for key in await self._store.pending_lanes(self._clock.now()):
            await super().notify(*key)

    async def _worker(self) -> None:
        while True:
            try:
                await self._app.run_worker_async(
                    concurrency=self._jobs,
                    fetch_job_polling_interval=POLL,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=STALLED,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=0,
                )
            except Exception as error:
                # procrastinate wraps the driver's errors in its own; while the server is away, looking goes on.
                self._lost("worker", error)
            await asyncio.sleep(1)

    async def _reap(self) -> None:
        """Jobs of dead workers hold their lock; their rows are taken up by looking, so the jobs are only in the
        way."""
        with suppress(Exception):
            for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
                await self._app.job_manager.retry_job(job)

    async def _listen(self) -> None:
        """Turns that run here and that a person stopped by way of another process."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._address, autocommit=True) as connection:
                    await connection.execute(f"listen {_STOP}".encode())
                    async for message in connection.notifies():
                        conversation_id = ConversationId(message.payload)
                        if self._stop_turn is not None and (conversation_id, Lane.MAIN) in self._running:
                            await self._stop_turn(conversation_id)
            except (psycopg.Error, OSError) as error:
                self._lost("listener", error)
            await asyncio.sleep(1)

    def _lost(self, what: str, error: Exception) -> None:
        log.warning("queue %s starts again: %s", what, type(error).__name__)


def _address(url: str) -> str:
    """What libpq reads: without the driver's name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
