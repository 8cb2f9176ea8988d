"""Several workers on one Postgres, killed at any moment: nothing lost, nothing answered twice, order kept."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.queues.postgres import enqueue, install
from adapters.stores.sql.server import PostgresStore
from core.batches import AcceptBatch
from core.types import TurnId, new_id
from tests.chaos.conftest import Figures
from tests.support.postgres import Server, postgres_server
from tests.support.stage import Stage

LONG = bool(os.environ.get("CHAOS_LONG"))
MESSAGES, TALKS, KILLS = (2000, 50, 100) if LONG else (150, 15, 6)
WORKERS = 3
MEAN_PAUSE = 1.0
"""Seconds from one kill to the next, where a worker has answered by then."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


@pytest.fixture
def url(server: Server) -> str:
    address = server.fresh("chaos")
    install(address)
    install(address)
    with psycopg.connect(address) as connection:
        connection.execute(
            "create table delivered (number bigserial, conversation text, event text, seq int, again bool, worker text)"
        )
    return address


@dataclass(frozen=True)
class Worker:
    name: str
    process: subprocess.Popen[bytes]


class Crew:
    """Worker processes; one that was killed is replaced."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0
        self.workers = [self._hire() for _ in range(WORKERS)]

    def _hire(self) -> Worker:
        self._count += 1
        name = f"worker-{self._count}"
        command = [sys.executable, "-m", "tests.chaos.postman", self._url, name]
        return Worker(name, subprocess.Popen(command, cwd=ROOT))

    def kill_one_of(self, names: set[str]) -> None:
        """Kill a worker of these names, by chance, and hire another."""
        place = random.choice([place for place, worker in enumerate(self.workers) if worker.name in names])
        worker = self.workers[place]
        worker.process.kill()
        worker.process.wait()
        self.workers[place] = self._hire()


@contextmanager
def crew_on(url: str) -> Iterator[Crew]:
    crew = Crew(url)
    try:
        yield crew
    finally:
        for worker in crew.workers:
            worker.process.kill()
            worker.process.wait()


async def accept(store: PostgresStore, stages: list[Stage], numbers: range) -> set[str]:
    """Every message of these numbers once, a third of them twice, over MEAN_PAUSE; the keys of their events."""
    events: set[str] = set()
    for number in numbers:
        await asyncio.sleep(MEAN_PAUSE / len(numbers))
        row = await stages[number % TALKS].accept(f"message {number}", mergeable=number % 2 == 0)
        events.add(row.event_key)
        if random.random() < 0.3:
            assert await store.accept(AcceptBatch(row=replace(row, id=TurnId(new_id())))) is None
    return events


@pytest.mark.long
@pytest.mark.timeout(300 if LONG else 120)
async def test_killed_workers_lose_nothing_and_answer_nothing_twice(url: str, figures: Figures) -> None:
    store = PostgresStore(url, SystemClock(), enqueue=enqueue)
    await store.open()
    stages = [await Stage.set(store, f"chat {number}") for number in range(TALKS)]
    events: set[str] = set()
    share = MESSAGES // KILLS
    with crew_on(url) as crew:
        for kill in range(KILLS):
            accepting = asyncio.create_task(accept(store, stages, range(kill * share, (kill + 1) * share)))
            await asyncio.sleep(random.uniform(0.1, 0.9) * MEAN_PAUSE)
            # Only who is at work: a kill of one that still starts would prove nothing.
            while not (at_work := await names(url) & {worker.name for worker in crew.workers}):  # noqa: ASYNC110  # as below
                await asyncio.sleep(0.05)
            await asyncio.to_thread(crew.kill_one_of, at_work)
            events |= await accepting
        async with asyncio.timeout(120 if LONG else 60):
            while await open_rows(url):  # noqa: ASYNC110  # another process's work has no event to wait on
                await asyncio.sleep(0.2)
    await store.close()
    answered, order = Counter[str](), defaultdict[str, list[int]](list)
    for conversation, event, seq, again in await delivered(url):
        if not again:
            answered[event] += 1
            order[conversation].append(seq)
    labelled = {event for _, event, _, again in await delivered(url) if again}
    # A worker that died after "sending" and before the platform heard of it leaves only the labelled one.
    assert set(answered) | labelled == events
    assert [event for event, times in answered.items() if times > 1] == []
    assert all(seqs == sorted(seqs) for seqs in order.values())
    assert len(labelled) <= KILLS * 8 * 4
    figures(kills=KILLS, workers=WORKERS, messages=MESSAGES, labelled=len(labelled))


async def delivered(url: str) -> list[tuple[str, str, int, bool]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("select conversation, event, seq, again from delivered order by number")
        return await found.fetchall()


async def names(url: str) -> set[str]:
    """Who has answered somebody."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("select distinct worker from delivered")
        return {name for (name,) in await found.fetchall()}


async def open_rows(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("select count(*) from inbox where state in ('accepted', 'running')")
        row = await found.fetchone()
        assert row is not None
        return int(row[0])
