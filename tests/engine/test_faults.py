"""What must not hold a conversation up: bugs, wrong shapes, and processes that were killed."""

from __future__ import annotations

import asyncio

import pytest

from adapters.clock import ManualClock
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from core.messages import ReplyKind
from core.statements import recent_memories
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.stage import NOON
from tests.support.world import world


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
