"""The queue over several processes: one is woken by what another accepted, and stops what another was asked to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.queues import postgres
from adapters.queues.postgres import SCHEMA, PostgresQueue, Share, enqueue, install
from adapters.stores.sql.server import PostgresStore
from bot.bootstrap import Duty, build
from bot.setting_groups import QueueSettings
from bot.settings import settings_from
from core.batches import AcceptBatch
from core.direct import DIRECT
from core.errors import AnotherRunner
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

    share = Share.OTHERS

    def __init__(self, url: str, store: PostgresStore, name: str, poll: float = 60) -> None:
        self.store, self.name = store, name
        self.started: list[TurnId] = []
        self.done: list[TurnId] = []
        self.stopped: list[ConversationId] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.queue = PostgresQueue(
            url, store, SystemClock(), owner=name, poll=poll, stop_turn=self.stop_turn, share=self.share
        )

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
    gateway = PostgresQueue(url, store, SystemClock(), owner="gateway", share=Share.NONE)
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
    gateway = PostgresQueue(url, store, SystemClock(), owner="gateway", share=Share.NONE)
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


class Direct(Worker):
    """As `web` is: it runs what its own callers wait for."""

    share = Share.DIRECT


async def direct_stage(store: PostgresStore) -> Stage:
    return await Stage.set(store, "session", platform=DIRECT)


async def test_a_direct_turn_runs_where_it_was_accepted(server: Server, store: PostgresStore) -> None:
    url = server.url("queue")
    worker, web = Worker(url, store, "worker", poll=0.05), Direct(url, store, "web", poll=0.05)
    await worker.queue.start(worker)
    await web.queue.start(web)
    direct, platform = await direct_stage(store), await Stage.set(store)
    asked, heard = await direct.accept(), await platform.accept()
    for queue in (worker.queue, web.queue):
        await queue.notify(platform.conversation.id)
    await worker.queue.notify(direct.conversation.id)
    await eventually(lambda: worker.done == [heard.id], 20)
    await web.queue.notify(direct.conversation.id)
    await eventually(lambda: web.done == [asked.id], 20)
    assert (worker.started, web.started) == ([heard.id], [asked.id])
    await web.queue.stop(1)
    await worker.queue.stop(1)


async def test_a_direct_turn_whose_process_is_gone_is_taken_up_by_another(server: Server, store: PostgresStore) -> None:
    url = server.url("queue")
    asked = await (await direct_stage(store)).accept()
    web = Direct(url, store, "web", poll=0.05)
    await web.queue.start(web)
    assert web.started == []
    await eventually(lambda: web.done == [asked.id], 20)
    await web.queue.stop(1)


async def test_whoever_does_it_all_alone_is_alone(
    server: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CREW_TRIES", 2)
    url = server.url("queue")
    worker = Worker(url, store, "worker")
    await worker.queue.start(worker)
    alone = PostgresQueue(url, store, SystemClock(), owner="alone", share=Share.ALL)
    with pytest.raises(AnotherRunner):
        await alone.start(worker)
    await worker.queue.stop(0)
    await alone.start(worker)
    again = Worker(url, store, "again")
    with pytest.raises(AnotherRunner):
        await again.queue.start(again)
    await alone.stop(0)


async def test_jobs_of_a_dead_worker_are_freed(
    server: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead worker's job holds the lock of its conversation; rows are found by looking, later ones by jobs again."""
    monkeypatch.setattr(postgres, "HEARTBEAT", 0.05)
    url = server.url("queue")
    stage = await Stage.set(store)
    first = await stage.accept()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set search_path = {SCHEMA}".encode())
        connection.execute(
            f"""with dead as (insert into {SCHEMA}.procrastinate_workers (last_heartbeat)
                values (now() - interval '1 minute') returning id)
            update {SCHEMA}.procrastinate_jobs set status = 'doing', worker_id = (select id from dead)""".encode()
        )
        worker = Worker(url, store, "one")
        await worker.queue.start(worker)
        await eventually(lambda: worker.done == [first.id], 20)
        second = await stage.accept()
        await eventually(lambda: worker.done == [first.id, second.id], 20)
        left = f"select count(*) from {SCHEMA}.procrastinate_jobs".encode()
        await eventually(lambda: connection.execute(left).fetchone() == (0,))
    await worker.queue.stop(1)


async def test_a_reaper_that_fails_says_so_and_goes_on(
    server: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postgres, "HEARTBEAT", 0.05)
    url = server.url("queue")
    worker = Worker(url, store, "one")
    with psycopg.connect(url, autocommit=True) as connection:
        await worker.queue.start(worker)
        connection.execute(f"alter table {SCHEMA}.procrastinate_workers rename to away".encode())
        await eventually(lambda: "jobs of dead workers stay" in caplog.text, 10)
        connection.execute(f"alter table {SCHEMA}.away rename to procrastinate_workers".encode())
    turn = await (await Stage.set(store)).accept()
    await eventually(lambda: worker.done == [turn.id], 20)
    await worker.queue.stop(1)


@pytest.mark.long
async def test_a_killed_worker_holds_a_conversation_up_for_fifteen_seconds_at_most(
    server: Server, store: PostgresStore
) -> None:
    """With the lease and the pause between looks that are the default."""
    url = server.url("queue")
    stage = await Stage.set(store)
    turn = await stage.accept()
    lease, now = QueueSettings().lease, SystemClock().now()
    assert await store.claim_turn(stage.conversation.id, turn.lane, "killed", now + lease, now)
    began = time.monotonic()
    worker = Worker(url, store, "next", poll=3)
    await worker.queue.start(worker)
    await eventually(lambda: worker.done == [turn.id], 30)
    assert time.monotonic() - began <= 15
    await worker.queue.stop(1)


async def test_incognito_is_held_where_one_process_does_it_all_and_refused_among_several(
    server: Server, store: PostgresStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CREW_TRIES", 2)
    settings = settings_from(
        {
            "MEMORYCHAT_HOME": str(tmp_path),
            "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=",
            "DATABASE_URL": server.url("queue"),
            "QUEUE": "postgres",
        }
    )
    async with build(settings) as alone:
        assert await alone.ephemeral.unavailable() is None
        with pytest.raises(AnotherRunner):
            async with build(settings, duty=Duty.WORKER):
                raise AssertionError("a worker beside a process that does it all")
    async with build(settings, duty=Duty.WORKER) as worker, build(settings, duty=Duty.WEB) as web:
        assert "REDIS_URL" in str(await worker.ephemeral.unavailable())
        assert "REDIS_URL" in str(await web.ephemeral.unavailable())
        with pytest.raises(AnotherRunner):
            async with build(settings):
                raise AssertionError("a process that does it all beside workers")
