"""The TurnQueue in this process, over any Store: the rows are the queue, this only runs them."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from core.errors import MemoryChatError, StoreFull, StoreReadOnly, StoreUnavailable
from core.messages import InboxRow
from core.ports import Clock, Store, TurnHandler
from core.tracing import turn_context, where
from core.types import ConversationId, Lane, TurnId

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
"""Seconds before a failed turn is run again, doubled with each try."""

AWAY = (StoreUnavailable, StoreFull, StoreReadOnly)
AWAY_PAUSE = 0.5
"""Seconds between two looks whether the store is back."""

UNKNOWN = sys.maxsize
"""Where nobody said up to which row a lane is filled, it is claimed from until a claim finds nothing."""

LaneKey = tuple[ConversationId, Lane]


class EmbeddedQueue:
    """One task per busy lane, `concurrency` turns at a time in all.

    A turn is held under a lease of `lease` seconds that is renewed while it runs; `poll` seconds pass between two looks
    for rows that nobody told us of (expired leases, other processes).
    """

    def __init__(
        self, store: Store, clock: Clock, *, owner: str, concurrency: int = 200, lease: float = 15.0, poll: float = 3.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._slots = asyncio.Semaphore(concurrency)
        self._lease = timedelta(seconds=lease)
        self._poll = poll
        self._handler: TurnHandler | None = None
        self._lanes: dict[LaneKey, asyncio.Task[None]] = {}
        self._woken: dict[LaneKey, int] = {}
        self._running: dict[LaneKey, tuple[TurnId, asyncio.Task[None]]] = {}
        self._housekeeping: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self, handler: TurnHandler) -> None:
        self._handler = handler
        await self._look()
        self._housekeeping = [
            asyncio.create_task(self._every(self._poll, self._look)),
            asyncio.create_task(self._every(self._lease.total_seconds() / 3, self._renew)),
        ]

    async def notify(self, conversation_id: ConversationId, lane: Lane = Lane.MAIN, newest: int | None = None) -> None:
        key = (conversation_id, lane)
        self._woken[key] = max(self._woken.get(key, 0), UNKNOWN if newest is None else newest)
        if key not in self._lanes and self._handler is not None and not self._stopping:
            self._lanes[key] = asyncio.create_task(self._work(key))

    async def cancel(self, conversation_id: ConversationId) -> bool:
        running = self._running.get((conversation_id, Lane.MAIN))
        return running is not None and running[1].cancel()

    async def drain(self) -> None:
        while self._lanes:
            await asyncio.wait(list(self._lanes.values()))

    async def stop(self, grace: float) -> None:
        self._stopping = True
        for task in self._housekeeping:
            task.cancel()
        if self._lanes and grace > 0:
            await asyncio.wait(list(self._lanes.values()), timeout=grace)
        lanes = list(self._lanes.values())
        for task in lanes:
            task.cancel()
        await asyncio.gather(*lanes, *self._housekeeping, return_exceptions=True)

    async def _work(self, key: LaneKey) -> None:
        """Run the turns of one lane until there is none to claim."""
        try:
            while key in self._woken and not self._stopping:
                newest = self._woken.pop(key)
                while not self._stopping and await self._run_next(key, newest):
                    pass
        finally:
            del self._lanes[key]
            if key in self._woken and not self._stopping:
                await self.notify(*key, self._woken[key])

    async def _run_next(self, key: LaneKey, newest: int) -> bool:
        """Claim and run one turn; whether the lane, filled up to the row `newest`, may have another one."""
        async with self._slots:
            try:
                now = self._clock.now()
                rows = await self._store.claim_turn(*key, self._owner, now + self._lease, now)
            except MemoryChatError as error:
                log.warning("claim failed: %s", type(error).__name__)
                return False
            return bool(rows) and await self._run(key, rows, newest)

    async def _run(self, key: LaneKey, rows: tuple[InboxRow, ...], newest: int) -> bool:
        """Run one turn, over and over for as long as it is only the store that fails it: a turn is given up after some
        tries because it may be what kills the process, and is not to blame for a server that comes and goes."""
        turn_id = rows[0].id
        try:
            while (error := await self._failure(key, rows)) is not None:
                if not isinstance(error, asyncio.CancelledError):
                    log.error("turn failed and is taken up again: %s at %s", type(error).__name__, where(error))
                    await asyncio.sleep(FIRST_PAUSE * 2 ** min(rows[0].attempts, 5))
                if not isinstance(error, AWAY):
                    return await self._hand_back(turn_id)
                if not await self._is_still_held(turn_id):
                    return True
                rows = tuple(replace(row, attempts=max(row.attempts, 2)) for row in rows)
        except asyncio.CancelledError:
            # Shutting down: the turn goes back to the inbox, whole.
            await self._hand_back(turn_id)
            raise
        return max(row.seq for row in rows) < newest

    async def _failure(self, key: LaneKey, rows: tuple[InboxRow, ...]) -> BaseException | None:
        """What a try of a turn came to; a CancelledError when its person stopped it."""
        assert self._handler is not None
        task = asyncio.create_task(_handle(self._handler, rows))
        self._running[key] = (rows[0].id, task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            del self._running[key]
        return asyncio.CancelledError() if task.cancelled() else task.exception()

    async def _is_still_held(self, turn_id: TurnId) -> bool:
        """As soon as the store can say so: whether nobody else has taken the turn meanwhile."""
        while True:
            try:
                return await self._store.renew_lease(turn_id, self._owner, self._clock.now() + self._lease)
            except AWAY:
                await asyncio.sleep(AWAY_PAUSE)
            except MemoryChatError:
                return False

    async def _hand_back(self, turn_id: TurnId) -> bool:
        """Whether it is back; else its lease has to run out."""
        try:
            await self._store.release_turn(turn_id, self._owner)
        except MemoryChatError:
            return False
        return True

    async def _look(self) -> None:
        for key in await self._store.pending_lanes(self._clock.now()):
            await self.notify(*key)

    async def _renew(self) -> None:
        until = self._clock.now() + self._lease
        for turn_id, _ in list(self._running.values()):
            await self._store.renew_lease(turn_id, self._owner, until)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except MemoryChatError as error:
                log.warning("queue housekeeping failed: %s", type(error).__name__)


async def _handle(handler: TurnHandler, rows: tuple[InboxRow, ...]) -> None:
    with turn_context(rows[0].id):
        await handler(rows)
