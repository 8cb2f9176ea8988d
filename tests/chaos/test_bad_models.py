"""A language model that takes a minute, and one that streams garbage."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from adapters.clock import ManualClock
from adapters.llm.openai import OpenAILanguageModel
from adapters.memory.embedder import Embedder
from adapters.stores.memory import MemoryStore
from core.messages import ReplyAddress, ReplyKind
from core.ports import ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from tests.support.models import ScriptedModel
from tests.support.stage import NOON
from tests.support.virtual import run_virtually
from tests.support.world import TownAdapter, world
from tests.unit.llm.server import chunk, html, serving, stream

LONG = 60.0
"""Seconds; four times a lease."""


class SlowModel(ScriptedModel):
    """Takes LONG for whoever asks it to think hard."""

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        said = messages[-1].content
        if "think" in said:
            await asyncio.sleep(LONG)
        yield ModelDelta(f"You said: {said}")
        yield ModelFinished("stop", ModelUsage(1, 1))


@dataclass
class TypingAdapter(TownAdapter):
    typed: Counter[str] = field(default_factory=Counter)

    async def typing(self, address: ReplyAddress) -> None:
        self.typed[address.recipient] += 1


def test_a_model_that_takes_a_minute_answers_once_and_holds_up_nobody_else(embedder: Embedder) -> None:
    """A second process looks at the same store all the time, and must not take the turn for a dead one's."""
    clock = ManualClock(NOON)

    async def story() -> None:
        store, second = MemoryStore(clock), TypingAdapter()
        town = world(embedder=embedder, store=store, clock=clock, model=SlowModel(), adapter=TypingAdapter())
        beside = world(embedder=embedder, store=store, clock=clock, model=SlowModel(), adapter=second, owner="beside")
        async with town as here, beside:
            ana, bob = here.person("ana"), here.person("bob")
            await ana.says("hello")
            await bob.says("hello")
            began = clock.monotonic()
            await ana.sends("think hard")
            await asyncio.sleep(1)
            await ana.sends("are you there?")
            before = clock.monotonic()
            await bob.sends("quick one")
            while not any("quick one" in reply.text for _, reply in here.adapter.sent):  # noqa: ASYNC110  # as a person
                await asyncio.sleep(0.1)
            assert clock.monotonic() - before < 2
            await here.queue.drain()
            assert clock.monotonic() - began >= LONG
            adapter = here.adapter
        assert isinstance(adapter, TypingAdapter)
        told = [reply.text for address, reply in adapter.sent if address.recipient == "ana"]
        assert told[-2:] == ["You said: think hard", "You said: are you there?"]
        assert len([text for text in told if "think hard" in text]) == 1
        assert adapter.typed["ana"] >= LONG / 5, "somebody who waits for a minute sees that the bot is at it"
        assert second.sent == []
        assert not any(reply.maybe_duplicate for _, reply in adapter.sent)

    run_virtually(clock, story())


FRAMES = {
    "no JSON": "data: {not json\n\n",
    "no UTF-8": b"data: \xff\xfe\n\n".decode("latin-1"),
    "a list": "data: []\n\n",
    "nothing": "data: null\n\n",
    "choices that are none": f"data: {json.dumps({'choices': 'x'})}\n\n",
    "a choice without a delta": f"data: {json.dumps({'choices': [{'index': 0}]})}\n\n",
    "a number for a text": f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': 5}}]})}\n\n",
    "an unknown event": "event: strange\ndata: {}\n\n",
}


@pytest.mark.parametrize(
    ("garbage", "begun"), [*((garbage, True) for garbage in FRAMES), ("no JSON", False), ("nothing", False)]
)
async def test_a_model_that_streams_garbage_is_told_of_in_a_sentence_and_the_talk_goes_on(
    embedder: Embedder, garbage: str, begun: bool
) -> None:
    broken = stream(*([chunk("Half a")] if begun else []), FRAMES[garbage], done=False)
    async with serving(broken, html(), stream(chunk("All well."), chunk(finish="stop"))) as server:
        model = OpenAILanguageModel("", "garbled", base_url=server.base_url, retries=0, timeout=10)
        async with world(embedder=embedder, model=model) as town:
            ana = town.person("ana")
            failed = await ana.says("my cat is called Tom")
            assert failed.kind is ReplyKind.ERROR
            assert failed.text.startswith("Half a\n\n") is begun
            assert "/retry" in failed.text
            assert garbage not in failed.text
            assert (await ana.says("and now?")).kind is ReplyKind.ERROR
            assert (await ana.says("/retry")).text == "All well."
            assert (await ana.says("thanks")).text == "All well."
        await model.close()
    asked = server.bodies[-2]["messages"]
    assert isinstance(asked, list)
    assert asked[-1]["content"].endswith("and now?")
