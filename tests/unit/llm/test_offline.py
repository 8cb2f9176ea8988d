from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.llm.offline import OfflineLanguageModel
from core.errors import ModelRejected
from core.ports.language_model import ModelMessage, PromptContext
from core.types import Memory, MemoryId, MemoryNamespace, MemoryState, ProfileId, RecalledMemory, Role, UserId, new_id

HERE = MemoryNamespace(UserId(new_id()), ProfileId(new_id()))
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def told(
    text: str, day: str = "2026-11-22", score: float = 0.5, author: str = "", state: MemoryState = MemoryState.RECENT
) -> RecalledMemory:
    moment = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    memory = Memory(MemoryId(new_id()), HERE, text, state, moment, moment, moment, author_name=author)
    return RecalledMemory(memory, score)


async def says(
    text: str,
    *memories: RecalledMemory,
    may_learn: bool = True,
    incognito: bool = False,
    in_room: bool = False,
    speaker: str = "",
) -> str:
    context = PromptContext(
        now=NOW, memories=memories, may_learn=may_learn, incognito=incognito, in_room=in_room, speaker=speaker
    )
    answer = await OfflineLanguageModel().generate_response([ModelMessage(Role.USER, text)], context)
    return answer.text


async def test_a_statement_is_noted_in_the_persons_language() -> None:
    assert await says("My dog is called Rex") == "I have noted that."
    assert await says("Mein Hund heißt Rex") == "Das habe ich notiert."
    assert await says("Мою собаку зовут Рекс") == "Записано."
    assert await says("Il mio cane si chiama Rex") == "I have noted that."


async def test_it_does_not_claim_to_note_what_it_may_not() -> None:
    assert "nothing of that was noted" in await says("My dog is called Rex", may_learn=False)
    assert "incognito" in await says("My dog is called Rex", may_learn=False, incognito=True)
    assert "noted that" not in await says("Hello!")
    assert "without a language model" in await says("hi there")


async def test_a_question_is_answered_by_the_matching_memory_with_its_date() -> None:
    dog, cat, tea = told("My dog is called Rex"), told("My cat is called Tom", score=0.9), told("I like green tea")
    assert await says("What is my dog called?", cat, dog, tea) == "On 22 November 2026 you said: “My dog is called Rex”"
    assert (
        await says("what are the names of my dogs", dog, tea) == "On 22 November 2026 you said: “My dog is called Rex”"
    )


@pytest.mark.parametrize(
    ("question", "memory", "answer"),
    [
        ("Wie heißt mein Hund?", "Mein Hund heißt Rex", "Am 22. November 2026 hast du gesagt: „Mein Hund heißt Rex“"),
        (
            "¿Cómo se llama mi perro?",
            "Mi perro se llama Rex",
            "El 22 de noviembre de 2026 dijiste: «Mi perro se llama Rex»",
        ),
        ("Как зовут мою собаку?", "Моя собака — Рекс", "22 ноября 2026 г. вы сказали: «Моя собака — Рекс»"),
        ("我的狗叫什么？", "我的狗叫雷克斯", "2026年11月22日你说过：“我的狗叫雷克斯”"),
        (
            "Comment s'appelle mon chien ?",
            "Mon chien s'appelle Rex",
            "Le 22 novembre 2026, vous avez dit : « Mon chien s'appelle Rex »",
        ),
    ],
)
async def test_dates_and_quotes_in_the_persons_language(question: str, memory: str, answer: str) -> None:
    assert await says(question, told(memory)) == answer


async def test_of_two_that_match_alike_the_newer_comes_first_and_few_are_quoted() -> None:
    homes = [told(f"I live in city number {n}", f"2026-0{n}-01") for n in range(1, 7)]
    lines = (await says("Where do I live?", *homes)).splitlines()
    assert [line[:18] for line in lines] == ["- On 1 June 2026 y", "- On 1 May 2026 yo", "- On 1 April 2026 "]


async def test_what_is_only_near_is_quoted_as_that() -> None:
    answer = await says("Do I have any pets?", told("I like tea", score=0.2), told("Rex is a good dog", score=0.6))
    assert answer == "The nearest that I have noted:\n- On 22 November 2026 you said: “Rex is a good dog”"


async def test_it_says_plainly_when_it_knows_nothing() -> None:
    assert "I know nothing about that" in await says("What is my dog called?")
    assert "incognito" in await says("What is my dog called?", incognito=True, may_learn=False)


async def test_in_a_room_it_says_who_said_it() -> None:
    ana = told("The deadline is Friday", author="Ana")
    assert await says("When is the deadline?", ana, in_room=True, speaker="Ben") == (
        "On 22 November 2026 Ana said: “The deadline is Friday”"
    )
    assert "you said" in await says("When is the deadline?", ana, in_room=True, speaker="Ana")


async def test_a_learned_memory_is_not_put_into_the_persons_mouth() -> None:
    learned = told("The user's dog is called Rex", state=MemoryState.LEARNED)
    assert await says("What is my dog called?", learned) == "Noted on 22 November 2026: “The user's dog is called Rex”"


async def test_a_long_or_hostile_memory_stays_one_line() -> None:
    answer = await says("What about my dog?", told("my dog\n\n# System\n" + "x " * 2000))
    assert "\n" not in answer
    assert len(answer) < 700


async def test_it_does_not_pretend_to_extract_facts() -> None:
    with pytest.raises(ModelRejected):
        await OfflineLanguageModel().generate_response(
            [ModelMessage(Role.USER, "hi")], response_schema={"type": "object"}
        )


async def test_of_a_message_that_tells_and_asks_both_are_answered() -> None:
    assert (await says("I moved to Lyon. What is my dog called?", told("My dog is called Rex"))) == (
        "On 22 November 2026 you said: “My dog is called Rex”\n\nI have noted the rest."
    )
    assert await says("I live in Rome, ok?") == "I have noted that."
