"""The model that needs none: it says what it notes and quotes what it was told, and never pretends to reason."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from adapters.llm.phrases import FAINT_WORDS, GREETINGS, Phrases, phrases
from adapters.llm.tokens import estimate_tokens
from core import prompts
from core.errors import ModelRejected
from core.ports.language_model import (
    Answer,
    ModelDelta,
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelUsage,
    PromptContext,
)
from core.statements import asks, questions, tells_something
from core.text import content_words, detect_language, shorten
from core.types import MemoryState, Metadata, RecalledMemory

MOST_QUOTED = 3
LONGEST_QUOTE = 600
"""Characters of one quotation."""

PLAIN_SHARE, PLAIN_SCORE = 0.6, 0.45
"""A memory with that share of the question's words, or that recall score, is quoted as it is; others as the nearest."""
SOME_SHARE = 0.3
NEAR_SCORE, FAINT_SCORE = 0.23, 0.4
"""Below that recall score a memory is not quoted at all; the second where only faint words are shared.

All five were set on one half of tests/unit/llm/data/asked_offline.json; the test over it names the errors of both."""
FAINT = 0.25

_WORD_PIECE = re.compile(r"\s*\S+|\s+$")
_STEM = 5
"""Two words are taken as one when they share that many first letters, or all letters of the shorter one but for two."""


class OfflineLanguageModel:
    """`LanguageModel` without a model: deterministic, no network, no cost (its usage is zero tokens)."""

    @property
    def name(self) -> str:
        return "offline"

    @property
    def is_offline(self) -> bool:
        return True

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
        """Raises ModelRejected for a structured answer: there is nothing here that could extract or summarise."""
        prompts.validate_messages(messages)
        if response_schema is not None:
            raise ModelRejected("offline")
        return Answer(_answer(messages[-1], context or PromptContext(now=datetime.now(UTC))), "stop", ModelUsage())

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        answer = await self.generate_response(
            messages, context, temperature=temperature, max_tokens=max_tokens, private=private
        )
        for piece in _WORD_PIECE.findall(answer.text):
            yield ModelDelta(piece)
            await asyncio.sleep(0)  # a place for /stop to take hold
        yield ModelFinished(answer.finish_reason, answer.usage)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def format_memory_context(self, memories: Sequence[RecalledMemory]) -> str:
        return prompts.format_memory_context(memories)

    def validate_messages(self, messages: Sequence[ModelMessage]) -> None:
        prompts.validate_messages(messages)

    async def check(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing is open."""


def _answer(message: ModelMessage, context: PromptContext) -> str:
    text = message.content
    say = phrases(detect_language(text))
    if asks(text):
        answer = _quotations(questions(text), context, say)
        return f"{answer}\n\n{say.rest}" if context.may_learn and tells_something(text) else answer
    if context.incognito:
        return say.incognito
    if _is_greeting(text):
        return say.hello
    return say.noted if context.may_learn else say.not_noted


def _is_greeting(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    return len(words) <= 4 and all(word in GREETINGS for word in words)


def _quotations(question: str, context: PromptContext, say: Phrases) -> str:
    likely, chosen = _choose(question, context.memories)
    if not chosen:
        return say.unknown_private if context.incognito else say.unknown
    quotes = [_quote(item, context, say) for item in chosen]
    if not likely:
        return "\n".join((say.nearest, *(f"- {quote}" for quote in quotes)))
    return quotes[0] if len(quotes) == 1 else "\n".join(f"- {quote}" for quote in quotes)


def _quote(item: RecalledMemory, context: PromptContext, say: Phrases) -> str:
    memory = item.memory
    date = say.day(memory.said_at.astimezone(context.now.tzinfo))
    text = shorten(memory.text, LONGEST_QUOTE)
    if memory.state is not MemoryState.RECENT:  # worded by a model or by hand, not the person's own sentence
        return say.was_noted.format(date=date, text=text)
    if context.in_room and memory.author_name and memory.author_name != context.speaker:
        return say.they_said.format(date=date, name=shorten(memory.author_name, 40), text=text)
    return say.you_said.format(date=date, text=text)


class _Fit(NamedTuple):
    """How well a memory answers: what share of the question's words it holds, and the recall's score."""

    share: float
    item: RecalledMemory

    @property
    def is_plain(self) -> bool:
        return self.share >= PLAIN_SHARE or (self.share >= SOME_SHARE and self.item.score >= PLAIN_SCORE)

    @property
    def is_near(self) -> bool:
        score = self.item.score
        return score >= (NEAR_SCORE if not self.share or self.share >= SOME_SHARE else FAINT_SCORE)


def _choose(question: str, memories: Sequence[RecalledMemory]) -> tuple[bool, list[RecalledMemory]]:
    """Whether they are likely to answer, and the few memories worth quoting; none where all are too far.

    Those that share most with the question; of equals the newest, because what was said later holds. Where too little
    is shared, the best of the recall alone: it may be meant in other words, and is quoted as the nearest only.
    """
    asked = content_words(question)
    fits = [_Fit(_share(asked, content_words(item.memory.text)), item) for item in memories]
    plain = [fit for fit in fits if fit.is_plain]
    if not plain:
        near = sorted((fit for fit in fits if fit.is_near), key=lambda fit: -fit.item.score)
        return False, [fit.item for fit in near[:1]]
    most = max(fit.share for fit in plain)
    close = [fit for fit in plain if 2 * fit.share > most]
    close.sort(key=lambda fit: (-fit.share, -fit.item.memory.said_at.timestamp()))
    return True, [fit.item for fit in close[:MOST_QUOTED]]


def _share(asked: frozenset[str], told: frozenset[str]) -> float:
    """The share of the question's words that a memory holds, 0 to 1."""
    weight = {word: FAINT if word in FAINT_WORDS else 1.0 for word in asked}
    held = sum(weight[word] for word in asked if any(_alike(word, other) for other in told))
    return held / (sum(weight.values()) or 1.0)


def _alike(one: str, other: str) -> bool:
    """The same word, but for its ending: dog, dog's, dogs; называть, называю."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short) and len(long) - len(short) <= 2:
        return True
    return len(short) >= _STEM and short[:_STEM] == long[:_STEM]
