"""Long talks: what the prompt no longer holds is summarised off the reply path, and forgotten with what it tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import Embedder
from core.policy import EnginePolicy
from core.ports import ModelMessage
from core.sealing import session_scope
from core.types import ChatSession
from tests.support.models import ScriptedModel
from tests.support.world import Person, Town, world

SHORT = EnginePolicy(history_messages=12, history_tokens=10_000, learn_after_turns=1_000)
"""A history of 12 messages: at 9 that no summary tells of, all but the newest 6 are summarised."""


@dataclass
class Scribe:
    """Sums up by naming every message that it was shown, so that a test sees where each of them is."""

    shown: list[str] = field(default_factory=list)

    def __call__(self, messages: Sequence[ModelMessage]) -> str:
        self.shown.append(messages[-1].content)
        return f"Summary {len(self.shown)}: {' '.join(word for word in messages[-1].content.split() if '#' in word)}"


async def session_of(town: Town, who: Person) -> ChatSession:
    identity = await town.store.find_identity(town.adapter.name, "", who.name)
    assert identity is not None
    return (await town.store.get_user_sessions(identity.user_id))[0]


async def tells(town: Town, who: Person, numbers: range) -> None:
    for number in numbers:
        await who.says(f"Item #{number}. is blue")
        await town.engine.summarizer.drain()


async def test_a_long_talk_stays_in_the_prompt_as_history_or_as_summary(embedder: Embedder) -> None:
    scribe = Scribe()
    model = ScriptedModel(learned=scribe)
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await tells(town, ana, range(30))
        last = model.calls[-1]
        assert scribe.shown
        for number in range(30):
            assert f"#{number}." in last.text, number
        assert len(last.messages) <= SHORT.history_messages
        assert last.system.count("Summary ") == 1


async def test_no_prompt_grows_with_the_talk(embedder: Embedder) -> None:
    model = ScriptedModel(learned=lambda _: "They talk about items.")
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        await tells(town, town.person("ana"), range(60))
        lengths = [len(call.text) for call in model.calls]
        assert max(lengths[30:]) < 1.2 * max(lengths[10:30])


async def test_between_two_summaries_only_the_end_of_the_prompt_changes(embedder: Embedder) -> None:
    scribe = Scribe()
    model = ScriptedModel(learned=scribe)
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        await tells(town, town.person("ana"), range(30))
    stable = 0
    for one, two in zip(model.calls, model.calls[1:], strict=False):
        grown = one.messages[:-1] == two.messages[: len(one.messages) - 1]
        stable += grown and one.opening == two.opening
    assert stable >= len(model.calls) - 1 - len(scribe.shown), "each summary moves the beginning once"


async def test_a_reply_does_not_wait_for_the_summary(embedder: Embedder) -> None:
    model = ScriptedModel(learned=Scribe())
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await tells(town, ana, range(4))
        asked, answer = asyncio.Event(), asyncio.Event()
        summing_up = model.generate_response

        async def slowly(*args: object, **kwargs: object) -> object:
            asked.set()
            await answer.wait()
            return await summing_up(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

        model.generate_response = slowly  # type: ignore[method-assign,assignment]  # one that takes its time
        for number in range(4, 8):
            await ana.says(f"Item #{number}. is blue")
        await asyncio.wait_for(asked.wait(), 5)
        assert (await ana.says("still there?")).text == "You said: still there?"
        assert (await session_of(town, ana)).summary is None
        answer.set()
        await town.engine.summarizer.drain()
        assert (await session_of(town, ana)).summary is not None


async def test_the_summary_is_sealed_under_the_sessions_key(embedder: Embedder) -> None:
    model = ScriptedModel(learned=lambda _: "They like Amberlynx.")
    sealer = PlainSealer()
    async with world(model=model, embedder=embedder, policy=SHORT, sealer=sealer) as town:
        ana = town.person("ana")
        await tells(town, ana, range(8))
        session = await session_of(town, ana)
        assert session.summary is not None
        assert await sealer.open(session_scope(session.id), session.summary) == "They like Amberlynx."


async def test_forgetting_one_thing_takes_the_summary_that_may_tell_of_it(embedder: Embedder) -> None:
    scribe = Scribe()
    model = ScriptedModel(learned=scribe)
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await ana.says("My secret hobby is called #Amberlynx.")
        await tells(town, ana, range(8))
        assert "#Amberlynx" in scribe.shown[-1]
        await ana.says("/forget Amberlynx")
        await ana.says("yes")
        assert (await session_of(town, ana)).summary is None
        await tells(town, ana, range(10, 20))
        assert "Amberlynx" not in model.calls[-1].text
        assert "Amberlynx" not in "".join(scribe.shown[-1])
        assert (await session_of(town, ana)).summary is not None


async def test_what_is_forgotten_while_it_is_summed_up_does_not_come_back(embedder: Embedder) -> None:
    model = ScriptedModel()
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await ana.says("My secret hobby is called Amberlynx.")
        for number in range(8):
            await ana.says(f"Item #{number}. is blue")
        await town.engine.summarizer.drain()
        session = await session_of(town, ana)
        turn = (await town.store.get_session_messages(session.user_id, session.id))[0].turn_id
        assert turn is not None
        summing_up = ScriptedModel(learned=lambda _: "They like Amberlynx.").generate_response

        async def meanwhile(*args: object, **kwargs: object) -> object:
            await town.store.forget_turns(session.user_id, [turn])
            return await summing_up(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

        model.generate_response = meanwhile  # type: ignore[method-assign,assignment]  # forgets in the middle
        assert not await town.engine.summarizer.summarize(session.user_id, session.id)
        assert (await session_of(town, ana)).summary is None


@pytest.mark.parametrize("erasing", ["/erase DELETE EVERYTHING", "/forget all"])
async def test_nothing_of_the_summary_outlives_the_erasure(embedder: Embedder, erasing: str) -> None:
    model = ScriptedModel(learned=lambda _: "They like Amberlynx.")
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await tells(town, ana, range(8))
        session = await session_of(town, ana)
        assert session.summary is not None
        await ana.says(erasing)
        await ana.says("yes")
        left = await town.store.get_user_sessions(session.user_id)
        assert [item.summary for item in left if item.id == session.id] in ([], [None])


async def test_incognito_is_never_summed_up(embedder: Embedder) -> None:
    scribe = Scribe()
    model = ScriptedModel(learned=scribe)
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await ana.says("/incognito on")
        await tells(town, ana, range(20))
        session = await session_of(town, ana)
        assert not await town.engine.summarizer.summarize(session.user_id, session.id)
        assert (session.summary, scribe.shown) == (None, [])


async def test_a_new_profile_knows_nothing_of_the_summary(embedder: Embedder) -> None:
    model = ScriptedModel(learned=lambda _: "They like Amberlynx.")
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await tells(town, ana, range(9))
        assert "Amberlynx" in model.calls[-1].system
        await ana.says("/profile new work")
        await ana.says("/profile use work")
        await ana.says("what do I like?")
        assert "Amberlynx" not in model.calls[-1].text


async def test_without_a_model_nothing_is_summed_up(embedder: Embedder) -> None:
    scribe = Scribe()
    async with world(model=ScriptedModel(learned=scribe, is_offline=True), embedder=embedder, policy=SHORT) as town:
        await tells(town, town.person("ana"), range(10))
        assert scribe.shown == []


async def test_a_model_that_fails_is_asked_again_later_and_costs_no_reply(embedder: Embedder) -> None:
    model = ScriptedModel()
    async with world(model=model, embedder=embedder, policy=SHORT) as town:
        ana = town.person("ana")
        await tells(town, ana, range(8))
        asked = len(model.learning_calls)
        assert asked == 1
        model.learned = lambda _: "They talk about items."
        await tells(town, ana, range(8, 10))
        assert len(model.learning_calls) == asked
        town.clock.advance(SHORT.summary_retry.total_seconds())
        await tells(town, ana, range(10, 11))
        assert (await session_of(town, ana)).summary is not None


async def test_summing_up_ends_with_the_days_budget(embedder: Embedder) -> None:
    scribe = Scribe()
    # One session all along: at its end learning would ask the model too, out of the same budget.
    policy = replace(SHORT, learn_tokens_per_day=120, session_idle=timedelta(days=3))
    async with world(model=ScriptedModel(learned=scribe), embedder=embedder, policy=policy) as town:
        ana = town.person("ana")
        await tells(town, ana, range(20))
        assert len(scribe.shown) == 1
        town.clock.advance(24 * 3600)
        await tells(town, ana, range(20, 22))
        assert len(scribe.shown) == 2
