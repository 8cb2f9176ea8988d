"""Order, parallelism, leases, cancelling and stopping of the queue in this process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from adapters.clock import SystemClock
from adapters.queues.embedded import EmbeddedQueue
from adapters.stores.memory import MemoryStore
from core.errors import StoreUnavailable
from core.messages import InboxRow
from core.types import Lane, TurnId, TurnState
from tests.support.polling import eventually
from tests.support.stage import Stage


class Worker:
    """A handler that remembers what it ran and can be held up."""

    def __init__(self, store: MemoryStore, owner: str = "one") -> None:
        self.store = store
        self.owner = owner
        self.started: list[TurnId] = []
        self.done: list[TurnId] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []

    async def __call__(self, rows: tuple[InboxRow, ...]) -> None:
        self.started.append(rows[0].id)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        await self.store.end_turn(rows[0].id, self.owner, TurnState.ANSWERED)
        self.done.append(rows[0].id)


async def accept(stage: Stage, count: int) -> list[TurnId]:
    return [(await stage.accept()).id for _ in range(count)]


async def test_the_turns_of_a_conversation_run_one_by_one_in_order() -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    turns = await accept(stage, 5)
    await queue.start(worker)
    turns += await accept(stage, 3)
    await queue.notify(stage.conversation.id)
    await queue.drain()
    assert worker.done == turns
    await queue.stop(0)


class CountingStore(MemoryStore):
    claims = 0

    async def claim_turn(self, *which: Any) -> tuple[InboxRow, ...]:
        self.claims += 1
        return await super().claim_turn(*which)


async def test_a_lane_whose_end_is_known_is_not_claimed_from_in_vain() -> None:
    store = CountingStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    await queue.start(worker)
    for _ in range(3):
        row = await stage.accept()
        await queue.notify(stage.conversation.id, Lane.MAIN, row.seq)
    await queue.drain()
    assert (len(worker.done), store.claims) == (3, 3)
    worker.failures.append(StoreUnavailable("once"))
    row = await stage.accept()
    await queue.notify(stage.conversation.id, Lane.MAIN, row.seq)
    await queue.drain()
    assert worker.done[-1] == row.id
    assert store.claims == 4, "what was held is not claimed again"
    await queue.stop(0)


async def test_a_turn_that_another_took_while_the_store_was_away_is_left_to_it() -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    (turn,) = await accept(stage, 1)
    worker.failures.append(StoreUnavailable("away"))
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    await queue.start(worker)
    await eventually(lambda: worker.started == [turn] and not worker.failures)
    await store.release_turn(turn, "one")
    now = SystemClock().now()
    assert await store.claim_turn(stage.conversation.id, Lane.MAIN, "two", now + timedelta(minutes=1), now)
    await queue.drain()
    assert (worker.started, worker.done) == ([turn], [])
    await queue.stop(0)


async def test_conversations_run_in_parallel_up_to_the_bound() -> None:
    store = MemoryStore(SystemClock())
    worker = Worker(store)
    worker.gate.clear()
    queue = EmbeddedQueue(store, SystemClock(), owner="one", concurrency=3)
    for chat in range(5):
        await accept(await Stage.set(store, f"chat {chat}"), 1)
    await queue.start(worker)
    await eventually(lambda: len(worker.started) == 3)
    await asyncio.sleep(0)
    assert len(worker.started) == 3
    worker.gate.set()
    await queue.drain()
    assert len(worker.done) == 5
    await queue.stop(0)


async def test_an_express_turn_passes_a_running_one() -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    worker.gate.clear()
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    await accept(stage, 1)
    await queue.start(worker)
    await eventually(lambda: len(worker.started) == 1)
    express = await stage.accept(lane=Lane.EXPRESS)
    await queue.notify(stage.conversation.id, Lane.EXPRESS)
    await eventually(lambda: express.id in worker.started)
    worker.gate.set()
    await queue.stop(5)


async def test_cancelling_ends_the_running_turn_and_hands_an_unrecorded_one_back() -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    worker.gate.clear()
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    [turn] = await accept(stage, 1)
    await queue.start(worker)
    await eventually(lambda: worker.started == [turn])
    assert await queue.cancel(stage.conversation.id)
    worker.gate.set()
    await eventually(lambda: worker.done == [turn])
    assert not await queue.cancel(stage.conversation.id)
    await queue.stop(0)


async def test_stopping_hands_running_turns_back_for_the_next_process() -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    worker.gate.clear()
    queue = EmbeddedQueue(store, SystemClock(), owner="one")
    turns = await accept(stage, 2)
    await queue.start(worker)
    await eventually(lambda: worker.started == turns[:1])
    await queue.stop(0)
    other = Worker(store, "two")
    second = EmbeddedQueue(store, SystemClock(), owner="two")
    await second.start(other)
    await second.drain()
    assert other.done == turns
    await second.stop(0)


async def test_a_dead_workers_turn_is_taken_up_when_its_lease_is_over() -> None:
    store = MemoryStore(SystemClock())
    stage, clock = await Stage.set(store), SystemClock()
    [turn] = await accept(stage, 1)
    now = clock.now()
    await store.claim_turn(stage.conversation.id, Lane.MAIN, "dead", now + timedelta(seconds=0.05), now)
    worker = Worker(store)
    queue = EmbeddedQueue(store, clock, owner="one", poll=0.01)
    await queue.start(worker)
    assert worker.started == []
    await eventually(lambda: worker.done == [turn])
    await queue.stop(0)


async def test_a_long_turn_keeps_its_lease() -> None:
    store = MemoryStore(SystemClock())
    stage, worker, clock = await Stage.set(store), Worker(store), SystemClock()
    worker.gate.clear()
    queue = EmbeddedQueue(store, clock, owner="one", lease=0.15)
    await accept(stage, 1)
    await queue.start(worker)
    await eventually(lambda: len(worker.started) == 1)
    first = (await store.get_turn(stage.stamp.author_id, worker.started[0])).lease_until
    assert first is not None

    async def lease_moved() -> None:
        while True:
            row = await store.get_turn(stage.stamp.author_id, worker.started[0])
            if row.lease_until is not None and row.lease_until > first:
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(lease_moved(), 5)
    worker.gate.set()
    await queue.stop(5)
    assert len(worker.done) == 1


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("a bug")], ids=["store away", "a bug"])
async def test_a_turn_that_fails_is_taken_up_again_and_logged_without_its_words(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(SystemClock())
    stage, worker = await Stage.set(store), Worker(store)
    worker.failures = [error]
    queue = EmbeddedQueue(store, SystemClock(), owner="one", lease=0.05, poll=0.01)
    [turn] = await accept(stage, 1)
    await queue.start(worker)
    await eventually(lambda: worker.done == [turn])
    assert type(error).__name__ in caplog.text
    assert "a bug" not in caplog.text
    await queue.stop(0)
