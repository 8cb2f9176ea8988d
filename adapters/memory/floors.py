"""How near a memory must be to be recalled, for each message: nothing that is merely the least far away.

What unrelated sentences score differs by embedder and language: about 0.1 in English with the default model, 0.6 in
Chinese, where it knows little more than the signs. So it is measured, once a language, and the floors stand above it.
"""

from __future__ import annotations

from contextlib import suppress

from adapters.memory.embedder import Embedder
from adapters.memory.ranking import MEANING, Floor
from core.errors import MemoryUnavailable
from core.languages import detect_language
from core.speech import is_order, is_personal
from core.statements import asks

# Who asks about themselves is likely to mean something they told; a true answer may then be far in wording ("Can I eat
# a Snickers bar?" and a peanut allergy: 0.16). Other talk has to come clearly near a memory, and so has what is told.
PERSONAL_FLOOR = Floor(0.09, 0.09)
GENERAL_FLOOR = Floor(0.22, 0.12)
USUAL = 0.1
"""The cosine of unrelated English sentences with the embedder that these floors were found with."""

# Talk, and what a person may have told; no sentence of the first kind has to do with any of the second.
_SAMPLES = {
    "en": (
        ("Good morning, how are you?", "Tell me something", "What is the longest river?", "That was kind"),
        (
            "My brother works at a bank",
            "The dentist moved to another street",
            "I bought new shoes",
            "Our train was late",
        ),
    ),
    "es": (
        ("Buenos días, ¿cómo estás?", "Dime algo", "¿Cuál es el río más largo?", "Eso fue amable"),
        ("Mi hermano trabaja en un banco", "El dentista se mudó", "Compré zapatos nuevos", "Nuestro tren llegó tarde"),
    ),
    "de": (
        ("Guten Morgen, wie geht es dir?", "Erzähl mir etwas", "Was ist der längste Fluss?", "Ich finde das nett"),
        (
            "Mein Bruder arbeitet bei einer Bank",
            "Der Zahnarzt ist umgezogen",
            "Ich habe neue Schuhe",
            "Wir sind zu spät",
        ),
    ),
    "fr": (
        ("Bonjour, comment vas-tu ?", "Dis-moi quelque chose", "Quel est le plus long fleuve ?", "C'était gentil"),
        (
            "Mon frère travaille dans une banque",
            "Le dentiste a déménagé",
            "J'ai des chaussures neuves",
            "Le train est tard",
        ),
    ),
    "zh": (
        ("早上好，你怎么样？", "跟我说点什么", "最长的河是哪一条？", "你真客气"),
        ("我弟弟在银行工作", "牙医搬到另一条街了", "我四月买了新鞋", "我们的火车晚点了"),
    ),
    "ru": (
        ("Доброе утро, как ты?", "Скажи мне что-нибудь", "Какая река самая длинная?", "Это было мило"),
        ("Мой брат работает в банке", "Зубной врач переехал", "В апреле я купил новые туфли", "Наш поезд опоздал"),
    ),
}
# A language without sentences of its own is taken for the one whose writing is most like its own, others for Spanish.
_LIKE = {"": "en", "ja": "zh", "ko": "zh", **dict.fromkeys(("uk", "el", "ar", "fa", "he", "hi", "th"), "ru")}


class Floors:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._raised: dict[str, float] = {}

    async def warm(self) -> None:
        """Measure English now, so that no reply waits for it; an embedder that is away is asked at the first search."""
        with suppress(MemoryUnavailable):
            await self._by("en")

    async def of(self, question: str, told_in: str) -> Floor:
        """`told_in` is the language of what was found, for questions too short to tell theirs.

        Raises MemoryUnavailable when the embedder does.
        """
        floor = PERSONAL_FLOOR if is_personal(question) and (asks(question) or is_order(question)) else GENERAL_FLOOR
        by = await self._by(detect_language(question) or told_in)
        return Floor(floor.best + by, floor.each + by)

    async def _by(self, language: str) -> float:
        language = language if language in _SAMPLES else _LIKE.get(language, "es")
        if language not in self._raised:
            talk, told = _SAMPLES[language]
            vectors = await self._embedder.embed([*talk, *told])
            unrelated = float((vectors[: len(talk)] @ vectors[len(talk) :].T).mean())
            self._raised[language] = MEANING * max(unrelated - USUAL, 0.0)
        return self._raised[language]
