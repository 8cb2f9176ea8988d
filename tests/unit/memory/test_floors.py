"""Small talk brings no memories, in no language; what somebody asks about themselves does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.memory.floors import GENERAL_FLOOR, PERSONAL_FLOOR, Floors
from adapters.memory.ranking import MEANING
from core.errors import MemoryUnavailable
from tests.support.remembering import Mind

TOLD = {
    "de": ("Meine Tante Rosalinde züchtet Alpakas", "Ich spare auf eine E-Gitarre", "Mein Vertrag endet im März"),
    "ru": ("Моя тётя разводит альпак", "Я коплю на электрогитару", "Мой контракт заканчивается в марте"),
    "zh": ("我的姑姑养羊驼", "我在攒钱买电吉他", "我的合同三月到期"),
}


@pytest.mark.parametrize(
    ("language", "talk", "question"),
    [
        ("de", ("wer erfand das Rad?", "na gut, bis dann", "wie hoch ist der Turm?"), "Was züchtet Tante Rosalinde?"),
        ("ru", ("кто изобрёл колесо?", "ну ладно, пока", "какой высоты Эйфелева башня?"), "Кого разводит моя тётя?"),
        ("zh", ("谁发明了轮子？", "好吧，回头聊", "埃菲尔铁塔有多高？"), "我姑姑养什么羊驼？"),
    ],
)  # fmt: skip
async def test_talk_in_a_language_that_the_embedder_hardly_knows_brings_nothing(
    ana: Mind, language: str, talk: tuple[str, ...], question: str
) -> None:
    for text in TOLD[language]:
        await ana.add(text)
    for line in talk:
        assert await ana.found(line) == []
        assert await ana.found(line, floor=False) != []
    assert (await ana.found(question))[0] == TOLD[language][0]


async def test_a_question_about_oneself_may_be_far_in_wording_and_a_telling_may_not(ana: Mind) -> None:
    await ana.add("I'm allergic to peanuts")
    await ana.add("The spare key is under the blue flowerpot")
    assert "I'm allergic to peanuts" in await ana.found("Can I eat a Snickers bar?")
    assert await ana.found("I'm off to the cinema now") == []


class Measured:
    """An embedder in whose view all texts are as near as `cosine` says; counts what it is asked."""

    name, dimension, is_ready = "measured/2", 2, True

    def __init__(self, cosine: float) -> None:
        self.calls = 0
        self._talk = np.array([1.0, 0.0], np.float32)
        self._told = np.array([cosine, np.sqrt(1 - cosine**2)], np.float32)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        half = len(texts) // 2
        return np.stack([self._talk] * half + [self._told] * (len(texts) - half))

    async def warm(self) -> None: ...

    def foresee(self, text: str) -> None: ...

    def forget(self) -> None: ...

    async def close(self) -> None: ...


async def test_floors_stand_above_what_unrelated_sentences_score_and_are_measured_once_a_language() -> None:
    embedder = Measured(0.6)
    floors = Floors(embedder)
    up = pytest.approx(MEANING * 0.5, abs=1e-6)
    assert (await floors.of("Wo wohne ich?", "")).best - PERSONAL_FLOOR.best == up
    assert (await floors.of("Wie hoch ist der Turm?", "")).best - GENERAL_FLOOR.best == up
    assert (await floors.of("Ich wohne in Bonn", "")).each - GENERAL_FLOOR.each == up
    assert embedder.calls == 1
    await floors.of("Bonn?", "de")  # too short to tell its language: that of what was found
    assert embedder.calls == 1
    for question in ("Onde fica a minha casa?", "¿Dónde está mi casa?"):
        await floors.of(question, "")
    assert embedder.calls == 2  # for a language without sentences of its own, another's
    await floors.of("Erzähl mir von meiner Tante", "de")
    assert await floors.of("Tell me about my aunt", "de") != await Floors(Measured(0.0)).of("Tell me about my aunt", "")


async def test_english_is_measured_while_warming_up() -> None:
    embedder = Measured(0.3)
    floors = Floors(embedder)
    await floors.warm()
    await floors.of("Where do I live?", "")
    assert embedder.calls == 1


async def test_an_embedder_that_is_away_does_not_keep_memory_from_warming_up() -> None:
    class Away(Measured):
        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.calls < 1:
                self.calls += 1
                raise MemoryUnavailable("embedder")
            return await super().embed(texts)

    floors = Floors(Away(0.6))
    await floors.warm()
    assert (await floors.of("Who wrote Hamlet?", "")).best > GENERAL_FLOOR.best


async def test_an_embedder_that_tells_sentences_apart_keeps_the_floors() -> None:
    assert await Floors(Measured(0.05)).of("Where do I live?", "") == PERSONAL_FLOOR
    assert await Floors(Measured(0.05)).of("Remind me where my keys are", "") == PERSONAL_FLOOR
    assert await Floors(Measured(0.05)).of("Who wrote Hamlet?", "") == GENERAL_FLOOR
