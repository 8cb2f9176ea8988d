"""The queue over several processes: one is woken by what another accepted, and stops what another was asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.queues.postgres import SCHEMA, PostgresQueue, enqueue, install
from adapters.stores.sql.server import PostgresStore
from core.batches import AcceptBatch
from core.messages import InboxRow
from core.types import ConversationId, TurnId, TurnState, new_id
from tests.support.polling import eventually
from tests.support.postgres import Server, postgres_server
from tests.support.stage import Stage


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


@pytest.fixture
async def store(server: Server) -> AsyncIterator[PostgresStore]:
    url = server.fresh("queue")
    install(url)
    made = PostgresStore(url, SystemClock(), writers=4, readers=2, enqueue=enqueue)
    await made.open()
    yield made
    await made.close()


class Worker:
    """A queue with a handler that can be held up; `poll` is long, so that only jobs wake it."""

    def __init__(self, url: str, store: PostgresStore, name: str) -> None:
        self.store, self.name = store, name
        self.started: list[TurnId] = []
        self.done: list[TurnId] = []
        self.stopped: list[ConversationId] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.queue = PostgresQueue(url, store, SystemClock(), owner=name, poll=60, stop_turn=self.stop_turn)

    async def __call__(self, rows: tuple[InboxRow, ...]) -> None:
        self.started.append(rows[0].id)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            await self.store.end_turn(rows[0].id, self.name, TurnState.CANCELLED)
            raise
        await self.store.end_turn(rows[0].id, self.name, TurnState.ANSWERED)
        self.done.append(rows[0].id)

    async def stop_turn(self, conversation_id: ConversationId) -> None:
        self.stopped.append(conversation_id)
        await self.queue.cancel(conversation_id)


async def test_what_one_process_accepts_another_answers_in_order(server: Server, store: PostgresStore) -> None:
    url = server.url("queue")
    worker = Worker(url, store, "one")
    await worker.queue.start(worker)
    gateway = PostgresQueue(url, store, SystemClock(), owner="gateway", answering=False)
    await gateway.start(worker)
    stages = [await Stage.set(store, f"chat {number}") for number in range(3)]
    turns = [[(await stage.accept()).id for _ in range(3)] for stage in stages]
    await gateway.notify(stages[0].conversation.id)
    await eventually(lambda: len(worker.done) == 9, 20)
    for mine in turns:
        assert [turn for turn in worker.done if turn in mine] == mine
    with psycopg.connect(url, autocommit=True) as connection:
        count = f"select count(*) from {SCHEMA}.procrastinate_jobs".encode()
        await eventually(lambda: connection.execute(count).fetchone() == (0,))
    await gateway.stop(0)
    await worker.queue.stop(1)


async def test_a_message_has_one_job_however_often_it_comes(server: Server, store: PostgresStore) -> None:
    stage = await Stage.set(store)
    row = await stage.accept()
    again = replace(row, id=TurnId(new_id()))
    assert await store.accept(AcceptBatch(row=again)) is None
    with psycopg.connect(server.url("queue")) as connection:
        jobs = connection.execute(f"select lock, args from {SCHEMA}.procrastinate_jobs".encode()).fetchall()
    assert jobs == [(f"{stage.conversation.id}:main", {"conversation_id": stage.conversation.id, "lane": "main"})]


async def test_a_stop_reaches_the_process_where_the_turn_runs(server: Server, store: PostgresStore) -> None:
    url = server.url("queue")
    worker = Worker(url, store, "one")
    worker.gate.clear()
    await worker.queue.start(worker)
    gateway = PostgresQueue(url, store, SystemClock(), owner="gateway", answering=False)
    await gateway.start(worker)
    stage = await Stage.set(store)
    turn = await stage.accept()
    await eventually(lambda: worker.started == [turn.id], 20)
    # The listener may still be connecting; asking twice is what an impatient person does, too.
    async with asyncio.timeout(10):
        while not worker.stopped:
            assert await gateway.cancel(stage.conversation.id)
            await asyncio.sleep(0.05)
    await worker.queue.drain()
    assert (await store.get_turn(stage.stamp.author_id, turn.id)).state is TurnState.CANCELLED
    await gateway.stop(0)
    await worker.queue.stop(0)


async def test_workers_go_on_when_the_server_cuts_their_lines(server: Server, store: PostgresStore) -> None:
    url = server.url("queue")
    worker = Worker(url, store, "one")
    await worker.queue.start(worker)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'queue'")
    stage = await Stage.set(store)
    turn = await stage.accept()
    await eventually(lambda: worker.done == [turn.id], 30)
    await worker.queue.stop(1)
