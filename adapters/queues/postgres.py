"""The TurnQueue over several processes: procrastinate says where work is, the Store's rows say what it is.

A job names a conversation and a lane, never content, and is written in the transaction that accepts the message. Its
lock keeps a second worker from waking the same lane. The rows' leases are what counts: whatever becomes of a job, a
turn runs once, and a dead worker's turn is taken up after its lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text

from adapters.queues.embedded import EmbeddedQueue, LaneKey
from core.direct import DIRECT
from core.errors import AnotherRunner, MemoryChatError, NotFound, StoreUnavailable
from core.ports import Clock, Store, TurnHandler
from core.tracing import where
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
_CREW = 0x4D656D43726577
"""The advisory lock that a process alone takes for itself and those that share the work take together; "MemCrew"."""
TAKEN_BY_CREW = "Workers or a web process run on this database: use `memorychat gateway` beside them, not `run`."
TAKEN_BY_ONE = "`memorychat run` does everything alone on this database: stop it, and start `gateway` beside workers."
CREW_TRIES = 10
"""Looks at the lock, half a second apart: a process that was just killed may still seem to hold it."""
ABANDONED_LOOKS = 3
"""A direct lane that still waits at so many looks in a row has lost the process that took its request."""
REMEMBERED_PLACES = 10_000

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


class Share(Enum):
    """Which turns a process runs. A direct turn's caller waits in the process that accepted it, so it runs there."""

    ALL = "all"
    NONE = "none"
    DIRECT = "direct"
    OTHERS = "others"


class PostgresQueue(EmbeddedQueue):
    """What EmbeddedQueue does, woken by jobs instead of by whoever accepts in the same process.

    `stop_turn` is called where the turn runs that another process was asked to stop. With `Share.ALL` no other process
    may have a share: `start` raises AnotherRunner when one has, and in each of them while one has all.
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
        share: Share = Share.OTHERS,
        stop_turn: Callable[[ConversationId], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(store, clock, owner=owner, concurrency=concurrency, lease=lease, poll=poll)
        self._address = _address(url)
        self._jobs = concurrency
        self._share = share
        self._stop_turn = stop_turn
        self._is_direct: dict[ConversationId, bool] = {}
        self._waiting: dict[LaneKey, int] = {}
        path = {"options": f"-c search_path={SCHEMA}"}
        self._app = App(
            connector=PsycopgConnector(
                conninfo=self._address, kwargs=path, min_size=1, max_size=4, configure=_without_transactions
            )
        )
        self._app.task(name=TASK, pass_context=False)(self._wake)
        self._helpers: list[asyncio.Task[None]] = []

    async def start(self, handler: TurnHandler) -> None:
        line = await self._first_line() if self._share is not Share.NONE else None
        await self._app.open_async()
        if line is None:
            return
        await super().start(handler)
        self._helpers = [asyncio.create_task(self._listen(line))]
        if self._share is not Share.DIRECT:
            self._helpers += [
                asyncio.create_task(self._worker()),
                asyncio.create_task(self._every(HEARTBEAT, self._reap)),
            ]

    async def notify(self, conversation_id: ConversationId, lane: Lane = Lane.MAIN, newest: int | None = None) -> None:
        """What is another process's needs nothing: the job was written with the row, and what has none (a turn taken
        back for `/retry`) is found by looking."""
        try:
            mine = await self._is_mine(conversation_id)
        except MemoryChatError as error:
            log.warning("a lane is left to the next look: %s", type(error).__name__)
            return
        if mine:
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
        lanes = await self._store.pending_lanes(self._clock.now())
        mine = [key for key in lanes if await self._is_mine(key[0])]
        if self._share is Share.DIRECT:
            # Their own process was told of them when they were accepted; only one that is gone leaves them waiting.
            self._waiting = {key: self._waiting.get(key, 0) + 1 for key in mine}
            mine = [key for key, looks in self._waiting.items() if looks >= ABANDONED_LOOKS]
        for key in mine:
            await super().notify(*key)

    async def _is_mine(self, conversation_id: ConversationId) -> bool:
        if self._share in (Share.ALL, Share.NONE):
            return self._share is Share.ALL
        known = self._is_direct.get(conversation_id)
        if known is None:
            try:
                known = (await self._store.get_conversation(conversation_id)).place.platform == DIRECT
            except NotFound:
                return False
            if len(self._is_direct) >= REMEMBERED_PLACES:
                self._is_direct.clear()
            self._is_direct[conversation_id] = known
        return known is (self._share is Share.DIRECT)

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
        """Jobs of dead workers hold their lock; their rows are taken up by looking, so the jobs are only in the way."""
        try:
            for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
                await self._app.job_manager.retry_job(job)
        except Exception as error:
            # procrastinate wraps the driver's errors in its own; the next beat tries again.
            log.warning("jobs of dead workers stay for now: %s at %s", type(error).__name__, where(error))

    async def _first_line(self) -> psycopg.AsyncConnection:
        """Raises AnotherRunner, StoreUnavailable."""
        try:
            return await self._join()
        except psycopg.Error as error:
            raise StoreUnavailable(type(error).__name__) from None

    async def _join(self) -> psycopg.AsyncConnection:
        """A line to the server that holds this process's place in the crew. Raises AnotherRunner."""
        line = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
        how = "pg_try_advisory_lock" if self._share is Share.ALL else "pg_try_advisory_lock_shared"
        for _ in range(CREW_TRIES):
            taken = await (await line.execute(f"select {how}({_CREW})".encode())).fetchone()
            if taken is not None and taken[0]:
                return line
            await asyncio.sleep(0.5)
        await line.close()
        raise AnotherRunner(user_message=TAKEN_BY_CREW if self._share is Share.ALL else TAKEN_BY_ONE)

    async def _listen(self, line: psycopg.AsyncConnection | None) -> None:
        """Turns that run here and that a person stopped by way of another process."""
        while True:
            try:
                line = line or await self._join()
                async with line:
                    await line.execute(f"listen {_STOP}".encode())
                    async for message in line.notifies():
                        await self._stop_here(ConversationId(message.payload))
            except (psycopg.Error, OSError, AnotherRunner) as error:
                self._lost("listener", error)
            line = None
            await asyncio.sleep(1)

    async def _stop_here(self, conversation_id: ConversationId) -> None:
        if self._stop_turn is not None and (conversation_id, Lane.MAIN) in self._running:
            try:
                await self._stop_turn(conversation_id)
            except MemoryChatError as error:
                log.warning("a turn was not stopped: %s", type(error).__name__)

    def _lost(self, what: str, error: Exception) -> None:
        log.warning("queue %s starts again: %s", what, type(error).__name__)


async def _without_transactions(connection: psycopg.AsyncConnection) -> None:
    """Every call of procrastinate is one statement: a BEGIN and a COMMIT around it are two journeys for nothing."""
    await connection.set_autocommit(True)


def _address(url: str) -> str:
    """What libpq reads: without the driver's name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
