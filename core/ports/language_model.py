from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.types import Metadata, RecalledMemory, Role


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One chat message for the model. `images` are data URLs. `name` is the speaker's in a room."""

    role: Role
    content: str
    name: str = ""
    images: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What the system prompt is built from besides the messages. `now` is in the person's time zone.

    `speaker` is who asks, `in_room` whether others read along, `thread` the earlier messages of a thread that the bot
    was just called into, oldest first, `summary` the rolling summary of what the history no longer holds. `may_learn`
    says whether what the person tells now will be noted, `incognito` that nothing of this talk is kept.
    """

    now: datetime
    persona: str = ""
    instructions: str = ""
    memories: tuple[RecalledMemory, ...] = ()
    speaker: str = ""
    in_room: bool = False
    thread: tuple[str, ...] = ()
    summary: str = ""
    may_learn: bool = True
    incognito: bool = False


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens as the provider counted them; `estimated` when it did not say and we counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `finish_reason` is the provider's (`stop`, `length`, `content_filter`, …)."""

    text: str
    finish_reason: str
    usage: ModelUsage


@dataclass(frozen=True, slots=True)
class ModelDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ModelFinished:
    finish_reason: str
    usage: ModelUsage


ModelEvent = ModelDelta | ModelFinished


class LanguageModel(Protocol):
    """A chat model. Errors are the `ModelError` tree; an error mid-stream carries the text so far in `partial`.

    `private` asks the provider not to store the call (incognito).
    """

    @property
    def name(self) -> str:
        """As the provider calls it; `offline` for the model that needs none."""
        ...

    @property
    def is_offline(self) -> bool:
        """Whether this is the deterministic stand-in that only quotes memories."""
        ...

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
        """One whole answer. With `response_schema` (JSON schema) the text is JSON of that shape, not yet validated."""
        ...

    def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        """Deltas, then exactly one ModelFinished. Closing the iterator cancels the call."""
        ...

    def count_tokens(self, text: str) -> int:
        """Never blocks. An estimate, unless the provider uses one of OpenAI's public token tables: trust `usage`."""
        ...

    def format_memory_context(self, memories: Sequence[RecalledMemory]) -> str:
        """Memories as the prompt shows them: dated, quoted, marked as data; `''` for none."""
        ...

    def validate_messages(self, messages: Sequence[ModelMessage]) -> None:
        """Raises BadArgument for an empty list, an empty message or a last message that is not the user's."""
        ...

    async def check(self) -> None:
        """A real call of one token. Raises the ModelError that a person would meet."""
        ...

    async def close(self) -> None: ...
