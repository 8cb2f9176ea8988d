"""What learning costs and whether updates are applied: `python -m bench.learning`.

The model is scripted: told which sentence changes which, it names the older one where the prompt lists it, and nothing
on ordinary talk. So what is measured is ours: whether the older memory stood among the candidates, was superseded, kept
with its date, and ranked out of recall. The control of the cost is what mem0 sends for each message.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from adapters.clock import SystemClock
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.memory import MemoryStore
from bench import mem0_loop
from bench.archive import Said
from bench.retrieval import people
from bench.stub import sizes_of, stub_process
from bench.support import InstantModel, fact
from bench.table import Row, publish
from core.ports import Answer, LearnableTurn, MemoryOrigin, ModelMessage, ModelUsage, PromptContext
from core.types import MemoryNamespace, MemoryState, Metadata, TurnId, UserId, new_id

COMMAND = "python -m bench.learning"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
BATCH = 8
TRIVIAL = ("hi", "thanks!", "ok", "what is my name?", "good night", "lol", "tell me a joke", "/help", "danke", "👍")


class Scribe(InstantModel):
    """Repeats every message as a fact. `replaces` maps a message to the older one that it makes untrue."""

    def __init__(self) -> None:
        super().__init__()
        self.replaces: dict[str, str] = {}
        self.sizes: list[int] = []

    @property
    def is_offline(self) -> bool:
        return False

    async def generate_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
        response_schema: Metadata | None = None,
    ) -> Answer:
        self.sizes.append(sum(len(message.content) for message in messages))
        known_part, _, told_part = messages[-1].content.partition("Messages:\n")
        known = {text: int(number) for number, text in re.findall(r'^(\d+)\. \[[^]]*\] "(.*)"$', known_part, re.M)}
        facts = []
        for number, text in re.findall(r'^(\d+)\. \[[^]]*\].*? text: "(.*)"$', told_part, re.M):
            old = known.get(self.replaces.get(text, ""))
            facts.append({"text": f"{text} (noted)", "turns": [int(number)], "replaces": [old] if old else []})
        return Answer(json.dumps({"facts": facts}), "stop", ModelUsage(1, 1))


async def measure() -> list[Row]:
    scribe = Scribe()
    store = MemoryStore(SystemClock())
    await store.open()
    memory = Mem0Memory(store, PlainSealer(), OnnxEmbedder(), scribe, SystemClock())
    await memory.warm()
    applied, kept_out, total, wrong = await _updates(store, memory, scribe)
    scribe.sizes.clear()
    user = await store.create_user()
    namespace = (await store.get_default_memory_profile(user.id)).namespace
    turns = [_turn(fact(number), number) for number in range(10 * BATCH)]
    for start in range(0, len(turns), BATCH):
        await memory.extract_memories_from_conversation(namespace, turns[start : start + BATCH])
    a_turn = sum(scribe.sizes) / len(turns)
    scribe.sizes.clear()
    await memory.extract_memories_from_conversation(namespace, [_turn(text, 0) for text in TRIVIAL])
    await memory.extract_memories_from_conversation(namespace, [_turn(f"{turns[-1].text} (noted)", 0)])
    calls = len(scribe.sizes)
    await memory.close()
    async with stub_process() as url:
        await mem0_loop.measure(url, 50, 20)
        sizes = await sizes_of(url)
    return [
        Row("updates applied, of scripted model answers", 100 * applied / total, "%", 95.0, at_least=True),
        Row("superseded memories kept with their dates and out of recall", 100 * kept_out / total, "%", 95.0,
            at_least=True),
        Row("memories superseded by ordinary talk", float(wrong), "", 0.0),
        Row("characters of prompt a learned turn", a_turn, "characters", None, sum(sizes) / len(sizes),
            "mem0, a message", ratio_goal=0.1),
        Row(f"model calls for {len(TRIVIAL)} trivial turns and a known one", float(calls), "", 0.0),
    ]  # fmt: skip


async def _updates(store: MemoryStore, memory: Mem0Memory, scribe: Scribe) -> tuple[int, int, int, int]:
    """How many updates were applied, how many old ones kept but recalled no more, of how many; superseded wrongly."""
    said, asked = people("all")
    by_id = {one.id: one for one in said}
    spaces: dict[str, MemoryNamespace] = {}
    applied = kept_out = wrong = 0
    pairs = [(by_id[one.older], by_id[next(iter(one.gold))], one.text) for one in asked if one.older]
    newer = {new.id for _, new, _ in pairs}
    for one in said:
        if one.namespace not in spaces:
            user = await store.create_user()
            spaces[one.namespace] = (await store.get_default_memory_profile(user.id)).namespace
        if one.id not in newer:
            await memory.add_memory(spaces[one.namespace], one.text, MemoryOrigin(one.at))
    for old, new, question in pairs:
        namespace = spaces[old.namespace]
        scribe.replaces = {new.text: old.text}
        outcome = await memory.extract_memories_from_conversation(namespace, _batch_around(new))
        everything = await memory.get_memories(namespace, limit=1_000, include_superseded=True)
        kept = next((item for item in everything if item.text == old.text), None)
        right = kept is not None and kept.id in outcome.superseded
        applied += right
        wrong += len(outcome.superseded) - right
        found = await memory.search_memories([namespace], question, limit=20, floor=False)
        kept_out += (
            right
            and kept is not None
            and (kept.state, kept.said_at) == (MemoryState.SUPERSEDED, old.at)
            and all(item.memory.id != kept.id for item in found)
        )
    return applied, kept_out, len(pairs), wrong


def _batch_around(new: Said) -> list[LearnableTurn]:
    """An update among ordinary talk."""
    return [_turn(f"{fact(len(new.text) * 31 + number)}", number) for number in range(BATCH - 1)] + [_turn(new.text, 9)]


def _turn(text: str, number: int) -> LearnableTurn:
    return LearnableTurn(TurnId(new_id()), UserId(new_id()), "", NOW + timedelta(minutes=number), text, "Noted.")


if __name__ == "__main__":
    publish(asyncio.run(measure()), COMMAND)
