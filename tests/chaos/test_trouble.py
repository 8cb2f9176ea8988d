"""What goes wrong around a running bot: connections that are cut, clocks, slow and hanging models, platforms that say
no for minutes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import psycopg
import pytest

from adapters.clock import ManualClock, SystemClock
from adapters.memory.embedder import Embedder
from adapters.stores.sql.server import PostgresStore
from core.errors import DeliveryRateLimited, StoreError
from core.messages import InboundMessage, ReplyKind
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.postgres import Server, postgres_server
from tests.support.stage import NOON
from tests.support.world import Person, Town, world

MESSAGES = 40


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


@pytest.fixture
async def store(server: Server) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(server.fresh("trouble"), SystemClock(), writers=4, readers=2)
    await made.open()
    yield made
    await made.close()


async def keep_sending(town: Town, message: InboundMessage) -> None:
    """As a platform does: again, until it is acknowledged."""
    while True:
        try:
            await town.engine.handle(message)
            return
        except StoreError:
            await asyncio.sleep(0.01)


@pytest.mark.timeout(120)
async def test_cut_connections_under_load_lose_nothing_and_answer_nothing_twice(
    embedder: Embedder, server: Server, store: PostgresStore
) -> None:
    """Every connection is cut again and again, in whatever transaction it is, as a restarted server does."""
    async with world(embedder=embedder, store=store) as town:
        people = [town.person(f"person{number}") for number in range(8)]
        done = asyncio.Event()

        async def cut() -> None:
            while not done.is_set():
                await asyncio.to_thread(terminate, server)
                await asyncio.sleep(0.15)

        async def talk(person: Person) -> None:
            for number in range(MESSAGES // 8):
                await keep_sending(town, person.message(f"{person.name} says number {number}"))
                await asyncio.sleep(0.02)

        cutting = asyncio.create_task(cut())
        await asyncio.gather(*(talk(person) for person in people))
        done.set()
        await cutting

        async def settled() -> bool:
            await town.queue._look()
            await town.queue.drain()
            await town.engine.responder.retry_unsent(abandoned=True)
            state = await store.queue_state()
            return not state.waiting and not state.running

        town.clock.advance(120)
        async with asyncio.timeout(60):
            while not await settled():
                town.clock.advance(30)
                await asyncio.sleep(0.05)
    answers = Counter[str]()
    for _, reply in town.adapter.sent:
        if reply.kind is ReplyKind.ANSWER and not reply.maybe_duplicate:
            answers.update(line for line in reply.text.removeprefix("You said: ").splitlines())
    every = {f"{person.name} says number {number}" for person in people for number in range(MESSAGES // 8)}
    labelled = " ".join(reply.text for _, reply in town.adapter.sent if reply.maybe_duplicate)
    assert {line for line in every if not answers[line] and line not in labelled} == set()
    assert [line for line in every if answers[line] > 1] == []


def terminate(server: Server) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'trouble'")


async def test_a_clock_that_steps_back_changes_no_order_and_loses_nothing(embedder: Embedder) -> None:
    clock = ManualClock(NOON)
    async with world(embedder=embedder, clock=clock) as town:
        ana = town.person("ana")
        assert (await ana.says("one")).text == "You said: one"
        clock.set(NOON - timedelta(hours=2))
        assert (await ana.says("two")).text == "You said: two"
        clock.set(NOON + timedelta(hours=1))
        assert (await ana.says("three")).text == "You said: three"
        history = [message.content for message in town.model.calls[-1].messages]  # type: ignore[attr-defined]  # scripted
        assert [text for text in history if text in ("one", "two", "three")] == ["one", "two", "three"]


async def test_a_platform_that_says_no_for_five_minutes_gets_the_reply_once_and_unlabelled(embedder: Embedder) -> None:
    clock = ManualClock(NOON)
    async with world(embedder=embedder, clock=clock) as town:
        ana = town.person("ana")
        await ana.says("hello")
        town.adapter.failures.append(DeliveryRateLimited(retry_after=300))
        assert await ana.hears("are you there?") == []
        clock.advance(295)
        assert await town.engine.responder.retry_unsent() == 0
        clock.advance(10)
        before = len(town.adapter.sent)
        assert await town.engine.responder.retry_unsent() == 1
        (reply,) = [reply for _, reply in town.adapter.sent[before:]]
        assert (reply.text, reply.maybe_duplicate) == ("You said: are you there?", False)
        assert await town.engine.responder.retry_unsent() == 0


async def test_a_model_that_hangs_holds_up_nobody_else_and_can_be_stopped(embedder: Embedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana, bob = town.person("ana"), town.person("bob")
        await ana.sends("think hard")
        await eventually(lambda: len(model.calls) == 1)
        await bob.sends("/status")
        await eventually(lambda: any(address.place == bob.place for address, _ in town.adapter.sent))
        await ana.sends("/stop")
        await eventually(lambda: any("Stopped" in reply.text for _, reply in town.adapter.sent))
        model.gate.set()
        assert (await ana.says("and now?")).text == "You said: and now?"
