"""The model that needs none: it says what it notes and quotes what it was told, and never pretends to reason."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from adapters.llm.phrases import GREETINGS, Phrases, phrases
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
    sharing, chosen = _choose(question, context.memories)
    if not chosen:
        return say.unknown_private if context.incognito else say.unknown
    quotes = [_quote(item, context, say) for item in chosen]
    if not sharing:
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


def _choose(question: str, memories: Sequence[RecalledMemory]) -> tuple[bool, list[RecalledMemory]]:
    """Whether words are shared, and the few memories worth quoting.

    Those that share most words with the question; of equals the newest, because what was said later holds. Where none
    shares a word, the best of the recall alone: it may be meant in other words, and is quoted as the nearest only.
    """
    asked = content_words(question)
    shared = {item.memory.id: _shared(asked, content_words(item.memory.text)) for item in memories}
    most = max(shared.values(), default=0)
    if not most:
        return False, sorted(memories, key=lambda item: -item.score)[:1]
    close = [item for item in memories if 2 * shared[item.memory.id] > most]
    close.sort(key=lambda item: (-shared[item.memory.id], -item.memory.said_at.timestamp()))
    return True, close[:MOST_QUOTED]


def _shared(asked: frozenset[str], told: frozenset[str]) -> int:
    return sum(any(_alike(one, other) for other in told) for one in asked)


def _alike(one: str, other: str) -> bool:
    """The same word, but for its ending: dog, dog's, dogs; называть, называю."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short) and len(long) - len(short) <= 2:
        return True
    return len(short) >= _STEM and short[:_STEM] == long[:_STEM]
