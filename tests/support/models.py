"""A language model that says what a test tells it to, and remembers every prompt it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from core.errors import ModelError, ModelUnavailable
from core.ports import Answer, ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from core.prompts import build_frame, build_system_prompt, format_memory_context, validate_messages
from core.types import Metadata, RecalledMemory


@dataclass
class Call:
    """One call: what a real model would be sent. `opening` is the system prompt, `system` all that comes from us: that
    and the frame of the last message; `messages` are what people and the model said."""

    system: str
    messages: tuple[ModelMessage, ...]
    private: bool
    opening: str = ""

    @property
    def text(self) -> str:
        return "\n".join([self.system, *(message.content for message in self.messages)])


@dataclass
class ScriptedModel:
    """`answer` makes the reply from the last message; `failures` are raised by the next calls; `learned` makes the
    answer to a learning call, None: there the model is away; `gate` holds replies
    up after their first word."""

    answer: Callable[[str], str] = lambda text: f"You said: {text}"
    failures: list[ModelError | None] = field(default_factory=list)
    learned: Callable[[Sequence[ModelMessage]], str] | None = None
    calls: list[Call] = field(default_factory=list)
    learning_calls: list[Call] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "scripted"
    is_offline: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

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
        self.learning_calls.append(_call(messages, context, private))
        self._fail_as_told()
        if self.learned is None:
            raise ModelUnavailable
        return Answer(self.learned(messages), "stop", ModelUsage(100, 20))

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        self.calls.append(_call(messages, context, private))
        words = self.answer(messages[-1].content).split(" ")
        yield ModelDelta(words[0])
        await self.gate.wait()
        self._fail_as_told()
        for word in words[1:]:
            yield ModelDelta(f" {word}")
        yield ModelFinished("stop", ModelUsage(10, len(words)))

    def _fail_as_told(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    def format_memory_context(self, memories: Sequence[RecalledMemory]) -> str:
        return format_memory_context(memories)

    def validate_messages(self, messages: Sequence[ModelMessage]) -> None:
        validate_messages(messages)

    async def check(self) -> None:
        self._fail_as_told()

    async def close(self) -> None:
        """Nothing to close."""


def _call(messages: Sequence[ModelMessage], context: PromptContext | None, private: bool) -> Call:
    if context is None:
        return Call("", tuple(messages), private)
    opening = build_system_prompt(context)
    return Call(f"{opening}\n\n{build_frame(context)}", tuple(messages), private, opening)
