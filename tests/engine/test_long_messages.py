"""A message as long as a chapter is kept whole, and found again."""

from __future__ import annotations

from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from core.messages import ReplyKind
from tests.support.world import world

STORY = " ".join(f"On day {day} we walked {day % 30 + 1} miles along the coast and slept well." for day in range(820))
"""50,000 characters."""


async def test_a_fact_at_the_end_of_a_long_message_is_recalled(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, model=OfflineLanguageModel()) as town:
        ana = town.person("ana")
        assert len(STORY) > 50_000
        assert (await ana.says(f"{STORY} The spare key is under the blue pot.")).text == "I have noted that."
        assert "under the blue pot" in (await ana.says("Where is the spare key?")).text


async def test_nobody_waits_for_the_long_message_of_another(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, model=OfflineLanguageModel()) as town:
        ana, bo = town.person("ana"), town.person("bo")
        await bo.says("My dog is called Rex.")
        town.adapter.sent.clear()
        await ana.sends(STORY[:20_000].replace("day", "night"))
        await bo.sends("What is my dog called?")
        await town.queue.drain()
        texts = [reply.text for _, reply in town.adapter.sent if reply.kind is ReplyKind.ANSWER]
        assert "Rex" in texts[0]
        assert texts[1:] == ["I have noted that."]
