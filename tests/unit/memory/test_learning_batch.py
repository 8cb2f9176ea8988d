"""A learning batch: one structured call over stamped turns, then one write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest

from core.errors import ErasedMeanwhile, MalformedAnswer, ModelTimeout
from core.ports import LearningOutcome, ModelMessage
from core.types import MemoryState, UserId, new_id
from tests.support.models import ScriptedModel
from tests.support.remembering import House, Mind


def answers(*facts: tuple[str, list[int], list[int]]) -> Callable[[Sequence[ModelMessage]], str]:
    rows = [{"text": text, "turns": turns, "replaces": replaces} for text, turns, replaces in facts]
    return lambda _: json.dumps({"facts": rows})


async def learn(mind: Mind, *texts: str) -> LearningOutcome:
    return await mind.memory.extract_memories_from_conversation(mind.namespace, await mind.told(*texts))


async def test_facts_replace_the_recent_memories_of_their_turns(ana: Mind) -> None:
    turns = await ana.told("I got a dog yesterday, Rex!", "He is a collie by the way")
    assert len(await ana.texts()) == 2
    ana.model.learned = answers(("I have had a dog called Rex, a collie, since 21 November 2026", [1, 2], []))
    outcome = await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    assert (len(outcome.added), outcome.replaced_recent, outcome.model_calls) == (1, 2, 1)
    assert (outcome.prompt_tokens, outcome.completion_tokens) == (100, 20)
    [fact] = await ana.memory.get_memories(ana.namespace)
    assert fact.text == "I have had a dog called Rex, a collie, since 21 November 2026"
    assert (fact.state, fact.author_id, fact.said_at) == (MemoryState.LEARNED, ana.user_id, turns[-1].said_at)
    assert fact.source_turns == tuple(turn.turn_id for turn in turns)
    assert await ana.found("Which breed is my dog?") == [fact.text]


async def test_what_a_fact_makes_untrue_is_superseded_and_kept(ana: Mind) -> None:
    await ana.add("I live in Berlin")
    await ana.add("My sister lives in Berlin")
    prompt_numbers: dict[str, int] = {}

    def answer(messages: Sequence[ModelMessage]) -> str:
        for line in messages[-1].content.splitlines():
            for text in ("I live in Berlin", "My sister lives in Berlin"):
                if f'"{text}"' in line:
                    prompt_numbers[text] = int(line.split(".")[0])
        return answers(("I live in Lyon since November 2026", [1], [prompt_numbers["I live in Berlin"]]))(messages)

    ana.model.learned = answer
    outcome = await learn(ana, "I moved to Lyon this month")
    assert len(outcome.superseded) == 1
    assert set(prompt_numbers) == {"I live in Berlin", "My sister lives in Berlin"}
    assert await ana.texts() == ["I live in Lyon since November 2026", "My sister lives in Berlin"]
    everything = await ana.memory.get_memories(ana.namespace, include_superseded=True)
    old = next(memory for memory in everything if memory.text == "I live in Berlin")
    assert (old.state, old.superseded_by) == (MemoryState.SUPERSEDED, outcome.added[0])
    assert "I live in Berlin" not in await ana.found("Where in Berlin do I live?", floor=False)
    assert await ana.memory.count_memories(ana.namespace) == 2


async def test_ordinary_talk_supersedes_nothing(ana: Mind) -> None:
    for text in ("I live in Berlin", "My dog is called Rex", "I like strong coffee"):
        await ana.add(text)
    ana.model.learned = answers(("I like tea in the evening", [1], []))
    outcome = await learn(ana, "I like tea in the evening")
    assert outcome.superseded == ()
    assert len(await ana.texts()) == 4


async def test_what_is_known_word_for_word_is_not_written_twice(ana: Mind) -> None:
    kept = await ana.add("My dog is called Rex")
    ana.model.learned = answers(("My dog is called Rex.", [1], [1]), ("I have a dog", [1], []))
    outcome = await learn(ana, "Rex, my dog, says hello")
    assert len(outcome.added) == 1
    assert outcome.superseded == ()
    assert (await ana.memory.get_memory(ana.namespace, kept.id)).state is MemoryState.LEARNED


@pytest.mark.parametrize(
    "texts", [("hi", "thanks!", "what is my name?"), ("My dog is called Rex", "my dog is called rex.")]
)
async def test_trivial_and_known_turns_cost_no_call(ana: Mind, texts: tuple[str, ...]) -> None:
    await ana.add("My dog is called Rex")
    assert await learn(ana, *texts) == LearningOutcome()
    assert ana.model.learning_calls == []


async def test_without_a_model_recent_memories_stay(home: House) -> None:
    ana = await home.mind(model=ScriptedModel(is_offline=True))
    assert await learn(ana, "My dog is called Rex") == LearningOutcome()
    [kept] = await ana.memory.get_memories(ana.namespace)
    assert (kept.text, kept.state) == ("My dog is called Rex", MemoryState.RECENT)


async def test_a_malformed_answer_is_asked_for_once_more(ana: Mind) -> None:
    replies = iter(
        ["I'd say the dog is called Rex.", '{"facts": [{"text": "My dog is Rex", "turns": [1], "replaces": []}]}']
    )
    ana.model.learned = lambda _: next(replies)
    outcome = await learn(ana, "My dog is called Rex")
    assert (len(outcome.added), outcome.model_calls, outcome.prompt_tokens) == (1, 2, 200)


async def test_malformed_twice_is_an_error_and_nothing_is_lost(ana: Mind) -> None:
    ana.model.learned = lambda _: "I'd rather not"
    with pytest.raises(MalformedAnswer):
        await learn(ana, "My dog is called Rex")
    assert len(ana.model.learning_calls) == 2
    assert await ana.found("What is my dog called?") == ["My dog is called Rex"]


async def test_a_model_that_fails_leaves_everything_as_it_was(ana: Mind) -> None:
    ana.model.failures = [ModelTimeout()]
    with pytest.raises(ModelTimeout):
        await learn(ana, "My dog is called Rex")
    assert await ana.texts() == ["My dog is called Rex"]


async def test_an_erasure_while_the_model_thinks_wins(ana: Mind) -> None:
    turns = await ana.told("My dog is called Rex")
    asked, erased = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> object:
        asked.set()
        await erased.wait()
        return await ScriptedModel(learned=answers(("My dog is Rex", [1], []))).generate_response([])

    ana.model.generate_response = slow  # type: ignore[method-assign,assignment]  # a model that waits in the middle
    batch = asyncio.create_task(ana.memory.extract_memories_from_conversation(ana.namespace, turns))
    await asked.wait()
    await ana.memory.delete_all_memories(ana.namespace)
    erased.set()
    with pytest.raises(ErasedMeanwhile):
        await batch
    assert await ana.texts() == []


async def test_the_prompt_is_short_and_holds_dates_and_what_is_known(ana: Mind) -> None:
    ana.model.learned = answers()
    await ana.add("I live in Berlin")
    texts = [
        f"On day {number} I visited my friend number {number} in Berlin and we cooked together" for number in range(8)
    ]
    await learn(ana, *texts)
    [call] = ana.model.learning_calls
    assert "I live in Berlin" in call.text
    assert "[2026-11-22 Sun]" in call.text
    assert len(call.text) / len(texts) < 33_650 / 10
    assert len(call.messages[0].content) < 1_600


async def test_what_the_bot_said_is_context_and_a_secret_is_never_learned(ana: Mind) -> None:
    ana.model.learned = answers(
        ("My bank password is hunter2", [1], []),
        ("My card is 4111 1111 1111 1111", [1], []),
        ("I bank at Acme", [1], []),
    )
    await learn(ana, "I bank at Acme")
    assert await ana.texts() == ["I bank at Acme"]


async def test_in_a_room_each_fact_keeps_its_own_speaker(ana: Mind) -> None:
    ben = UserId(new_id())
    turns = await ana.told("I take the early shift", "I take the late shift")
    turns = [turns[0], turns[1].__class__(turns[1].turn_id, ben, "Ben", turns[1].said_at, turns[1].text)]
    ana.model.learned = answers(("Ana takes the early shift", [1], []), ("Ben takes the late shift", [2], []))
    await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    by_text = {memory.text: memory for memory in await ana.memory.get_memories(ana.namespace)}
    assert by_text["Ben takes the late shift"].author_id == ben
    assert by_text["Ben takes the late shift"].author_name == "Ben"
    assert by_text["Ana takes the early shift"].author_id == ana.user_id
    assert 'Ben text: "I take the late shift"' in ana.model.learning_calls[0].text


async def test_what_of_a_long_message_the_model_was_not_shown_stays_as_it_was_told(ana: Mind) -> None:
    walks = " ".join(f"On day {day} we walked along the coast until dusk." for day in range(200))
    [turn] = await ana.told(f"{walks} The spare key is under the blue pot.")
    before = await ana.texts()
    ana.model.learned = answers(("We walked along the coast for months", [1], []))
    outcome = await ana.memory.extract_memories_from_conversation(ana.namespace, [turn])
    assert 0 < outcome.replaced_recent < len(before)
    assert "We walked along the coast for months" in await ana.texts()
    assert "under the blue pot" in (await ana.found("Where is the spare key?"))[0]
