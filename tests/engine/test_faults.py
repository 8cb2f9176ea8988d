"""What must not hold a conversation up: bugs, wrong shapes, and processes that were killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from adapters.clock import ManualClock
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from core.batches import RecordBatch
from core.errors import DeliveryRateLimited, StoreUnavailable
from core.messages import Reply, ReplyAddress, ReplyKind
from core.policy import EnginePolicy
from core.statements import recent_memories
from core.types import TurnId, TurnState
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.stage import NOON
from tests.support.virtual import run_virtually
from tests.support.world import TownAdapter, world


async def test_a_turn_that_a_killed_process_held_is_answered_at_once(embedder: OnnxEmbedder) -> None:
    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    model.gate.clear()
    async with world(embedder=embedder, store=store, clock=clock, model=model) as town:
        await town.person("ana").sends("are you there?")
        await eventually(lambda: len(model.calls) == 1)
        conversation = await store.find_conversation(town.person("ana").place)
        assert conversation is not None
        running = dict(store._tables.inbox)
    # As a kill leaves it: held by the dead process, its lease still alive.
    store._tables.inbox.update(running)
    model.gate.set()
    async with world(embedder=embedder, store=store, clock=clock, model=model, owner="next") as town:
        await asyncio.wait_for(town.queue.drain(), 5)
        assert [reply.text for _, reply in town.adapter.sent][-1].startswith("You said: are you there?")


@dataclass
class SlowAdapter(TownAdapter):
    """Does not answer what is sent to the chats in `stuck`, until `freed`."""

    stuck: set[str] = field(default_factory=set)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        if address.place.chat_id in self.stuck:
            self.waiting += 1
            await self.freed.wait()
        return await super().send(address, reply, nonce=nonce, known_ids=known_ids)

    def answers(self, chat: str, text: str) -> list[Reply]:
        return [reply for address, reply in self.sent if address.place.chat_id == chat and text in reply.text]


async def test_a_reply_that_takes_long_is_not_sent_a_second_time_meanwhile(embedder: OnnxEmbedder) -> None:
    adapter = SlowAdapter()
    async with world(embedder=embedder, adapter=adapter) as town:
        ana = town.person("ana")
        await ana.says("hello")
        adapter.stuck = {ana.place.chat_id}
        await ana.sends("are you slow?")
        await eventually(lambda: adapter.waiting == 1)
        town.clock.advance(60)
        assert await town.engine.responder.retry_unsent() == 0
        adapter.freed.set()
        await town.queue.drain()
        assert [reply.maybe_duplicate for reply in adapter.answers(ana.place.chat_id, "slow")] == [False]


def test_a_reply_in_many_slow_parts_is_left_to_the_process_that_sends_it(embedder: OnnxEmbedder) -> None:
    clock, adapter = ManualClock(NOON), SlowAdapter()

    async def story() -> None:
        store, second = MemoryStore(clock), TownAdapter()
        beside = world(embedder=embedder, store=store, clock=clock, adapter=second, owner="beside")
        async with world(embedder=embedder, store=store, clock=clock, adapter=adapter) as town, beside as other:
            ana = town.person("ana")
            await ana.says("hello")
            adapter.stuck = {ana.place.chat_id}
            await ana.sends("tell me everything")
            await eventually(lambda: adapter.waiting == 1)
            for _ in range(9):
                await asyncio.sleep(20)
                assert await other.engine.responder.retry_unsent() == 0
            adapter.freed.set()
            await town.queue.drain()
            await asyncio.sleep(60)
            assert await other.engine.responder.retry_unsent() == 0
        assert [reply.maybe_duplicate for reply in adapter.answers(ana.place.chat_id, "everything")] == [False]
        assert second.sent == []

    run_virtually(clock, story())


async def test_a_chat_that_takes_no_reply_holds_up_no_other_and_gets_its_own_once(embedder: OnnxEmbedder) -> None:
    adapter = SlowAdapter()
    async with world(embedder=embedder, adapter=adapter) as town:
        ana, ben = town.person("ana"), town.person("ben")
        for person in (ana, ben):
            await person.says("hello")
            adapter.failures = [DeliveryRateLimited("flood", retry_after=60.0)]
            await person.hears("held up")
        town.clock.advance(61)
        adapter.stuck = {ana.place.chat_id}
        sending = asyncio.create_task(town.engine.responder.retry_unsent())
        await eventually(lambda: bool(adapter.answers(ben.place.chat_id, "held up")))
        town.clock.advance(60)
        assert await town.engine.responder.retry_unsent() == 0, "hers is still under way"
        adapter.freed.set()
        assert await sending == 2
        assert [reply.maybe_duplicate for reply in adapter.answers(ana.place.chat_id, "held up")] == [False]


def test_a_reply_that_another_process_took_meanwhile_is_not_sent_again(embedder: OnnxEmbedder) -> None:
    clock, adapter = ManualClock(NOON), SlowAdapter()

    async def story() -> None:
        store, second = MemoryStore(clock), TownAdapter()
        beside = world(embedder=embedder, store=store, clock=clock, adapter=second, owner="beside")
        async with world(embedder=embedder, store=store, clock=clock, adapter=adapter) as town, beside as other:
            ana = town.person("ana")
            await ana.says("hello")
            for text in ("the first", "the next"):
                adapter.failures = [DeliveryRateLimited("flood", retry_after=60.0)]
                await ana.hears(text)
            await asyncio.sleep(61)
            adapter.stuck = {ana.place.chat_id}
            sending = asyncio.create_task(town.engine.responder.retry_unsent())
            await eventually(lambda: adapter.waiting == 1)
            await asyncio.sleep(40)
            assert await other.engine.responder.retry_unsent() == 1
            adapter.freed.set()
            await sending
            await asyncio.sleep(60)
        assert len(adapter.answers(ana.place.chat_id, "the first")) == 1
        assert adapter.answers(ana.place.chat_id, "the next") == []
        assert ["the next" in reply.text for _, reply in second.sent] == [True]

    run_virtually(clock, story())


async def test_a_file_that_a_platform_puts_off_is_told_of(embedder: OnnxEmbedder) -> None:
    adapter = TownAdapter()
    async with world(embedder=embedder, adapter=adapter) as town:
        ana = town.person("ana")
        await ana.says("hello")
        adapter.failures = [DeliveryRateLimited("flood", retry_after=60.0)]
        told = await ana.says("/export")
        assert told.kind is ReplyKind.ERROR
        assert "ask for it again" in told.text
        town.clock.advance(120)
        assert await town.engine.responder.retry_unsent() == 0
        assert (await ana.says("/export")).files


class LateStore(MemoryStore):
    """Takes its time to record, when `slow`."""

    slow = False
    recording = False

    async def record_turn(self, batch: RecordBatch) -> None:
        if self.slow:
            self.slow, self.recording = False, True
            await asyncio.Event().wait()
        await super().record_turn(batch)


async def test_a_stop_while_the_answer_is_recorded_brings_no_second_answer(embedder: OnnxEmbedder) -> None:
    clock, model = ManualClock(NOON), ScriptedModel()
    store = LateStore(clock)
    async with world(embedder=embedder, store=store, clock=clock, model=model) as town:
        ana = town.person("ana")
        await ana.says("hello")
        calls, store.slow = len(model.calls), True
        await ana.sends("tell me a story")
        await eventually(lambda: store.recording)
        await ana.sends("/stop")
        await town.queue.drain()
        assert len(model.calls) == calls + 1
        said = [reply.text for _, reply in town.adapter.sent if reply.kind is ReplyKind.ANSWER]
        assert said[-1] == "Stopped."
        assert (await ana.says("go on")).text == "You said: go on"


class ShakyStore(MemoryStore):
    """Goes away when a turn is to be recorded, `outages` times."""

    outages = 0
    back_at = 0.0

    async def record_turn(self, batch: RecordBatch) -> None:
        if self.outages:
            self.outages -= 1
            self.back_at = asyncio.get_running_loop().time() + 30
            raise StoreUnavailable("restarting")
        await super().record_turn(batch)

    async def renew_lease(self, turn_id: TurnId, owner: str, lease_until: datetime) -> bool:
        if asyncio.get_running_loop().time() < self.back_at:
            raise StoreUnavailable("restarting")
        return await super().renew_lease(turn_id, owner, lease_until)


def test_a_store_that_comes_and_goes_is_not_held_against_a_message(embedder: OnnxEmbedder) -> None:
    clock = ManualClock(NOON)

    async def story() -> None:
        store = ShakyStore(clock)
        async with world(embedder=embedder, store=store, clock=clock) as town:
            ana = town.person("ana")
            await ana.says("hello")
            store.outages = 2 * EnginePolicy().max_attempts
            assert (await ana.says("are you still there?")).text == "You said: are you still there?"
            assert store.outages == 0
            turn = next(row for row in store._tables.inbox.values() if row.state is TurnState.ANSWERED)
            assert turn.attempts == 1

    run_virtually(clock, story())


async def test_a_bug_becomes_a_sentence_and_the_talk_goes_on(embedder: OnnxEmbedder) -> None:
    def broken(text: str) -> str:
        raise AttributeError("a wrong shape") if "bad" in text else ValueError(text)

    model = ScriptedModel(answer=broken)
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        assert (await ana.says("bad one")).kind is ReplyKind.ERROR
        model.answer = lambda text: "fine"
        assert (await ana.says("and now?")).text == "fine"


@pytest.mark.parametrize(
    "text",
    [
        "Please remember that I am allergic to peanuts.",
        "Please note: my flight is on 3 December.",
        "Bitte merk dir, dass mein Hund Rex heißt.",
        "Por favor recuerda que soy alérgico al maní.",
    ],
)
def test_an_order_to_remember_is_a_telling(text: str) -> None:
    assert recent_memories(text) == (text,)


@pytest.mark.parametrize("text", ["Please remember that my password is hunter2", "Write me a poem about dogs"])
def test_secrets_and_other_orders_are_none(text: str) -> None:
    assert recent_memories(text) == ()
