"""The model and the memory, watched and behind a circuit breaker: the rest of the core sees the ports alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from time import perf_counter

from core.breaker import Breaker, Circuit
from core.errors import MemoryUnavailable, ModelError, ModelInterrupted, ModelUnavailable
from core.ports.language_model import (
    Answer,
    LanguageModel,
    ModelDelta,
    ModelEvent,
    ModelFinished,
    ModelMessage,
    PromptContext,
)
from core.ports.memory import LearnableTurn, LearningOutcome, MemoryOrigin, MemoryPort
from core.ports.observer import Observer, Purpose, Step, timing
from core.types import (
    Memory,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    Metadata,
    RecalledMemory,
    UserId,
)

log = logging.getLogger(__name__)

DEADLINE = 0.9
"""Whoever is cancelled after so large a part of the deadline was cancelled by it."""


class GuardedModel:
    """While the circuit is open every call fails at once, so that people hear of it without waiting for a time-out.

    Only what may go away by itself opens it (ModelUnavailable, a stream that breaks off): a wrong key or a refused
    request is an answer.
    """

    def __init__(self, model: LanguageModel, breaker: Breaker, observer: Observer) -> None:
        self._model = model
        self._breaker = breaker
        self._observer = observer

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def is_offline(self) -> bool:
        return self._model.is_offline

    @property
    def condition(self) -> dict[str, str]:
        """For `/status`, when something is wrong."""
        away = self._breaker.state is not Circuit.CLOSED
        return {"Language model": "cannot be reached at the moment; messages are kept for /retry"} if away else {}

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
        with self._guarding(Purpose.BACKGROUND):
            answer = await self._model.generate_response(
                messages,
                context,
                temperature=temperature,
                max_tokens=max_tokens,
                private=private,
                response_schema=response_schema,
            )
        self._observer.model_used(Purpose.BACKGROUND, answer.usage)
        return answer

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        began, waiting = perf_counter(), True
        stream = self._model.stream_response(
            messages, context, temperature=temperature, max_tokens=max_tokens, private=private
        )
        with self._guarding(Purpose.REPLY):
            async with aclosing(stream) as events:
                async for event in events:
                    if waiting and isinstance(event, ModelDelta):
                        waiting = False
                        self._observer.took(Step.FIRST_WORDS, perf_counter() - began)
                    if isinstance(event, ModelFinished):
                        self._observer.took(Step.MODEL, perf_counter() - began)
                        self._observer.model_used(Purpose.REPLY, event.usage)
                        log.debug("model used %d tokens", event.usage.prompt_tokens + event.usage.completion_tokens)
                    yield event

    @contextmanager
    def _guarding(self, purpose: Purpose) -> Iterator[None]:
        if not self._breaker.admits():
            self._observer.model_failed(purpose, "circuit_open")
            raise ModelUnavailable("circuit open")
        try:
            yield
        except ModelError as error:
            self._observer.model_failed(purpose, error.code)
            if isinstance(error, ModelUnavailable | ModelInterrupted):
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            raise
        except BaseException:
            self._breaker.cancelled()
            raise
        self._breaker.succeeded()

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    def format_memory_context(self, memories: Sequence[RecalledMemory]) -> str:
        return self._model.format_memory_context(memories)

    def validate_messages(self, messages: Sequence[ModelMessage]) -> None:
        self._model.validate_messages(messages)

    async def check(self) -> None:
        await self._model.check()

    async def close(self) -> None:
        await self._model.close()


class GuardedMemory:
    """While the circuit is open a search fails at once; what a person asks of their memory themselves goes through.

    `deadline` in seconds is how long a search is waited for.
    """

    def __init__(self, memory: MemoryPort, breaker: Breaker, observer: Observer, deadline: float) -> None:
        self._memory = memory
        self._breaker = breaker
        self._observer = observer
        self._deadline = deadline

    @property
    def condition(self) -> dict[str, str]:
        """For `/status`, when something is wrong."""
        away = self._breaker.state is not Circuit.CLOSED
        return {"Memory": "cannot be reached at the moment; I answer without it"} if away else {}

    @property
    def is_ready(self) -> bool:
        return self._memory.is_ready

    def foresee(self, query: str) -> None:
        self._memory.foresee(query)

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        began = perf_counter()
        with timing(self._observer, Step.RECALL), self._guarding(began):
            found = await self._memory.search_memories(namespaces, query, limit=limit, floor=floor)
        self._observer.recalled(len(found))
        log.debug("recalled %d memories", len(found))
        return found

    async def open(self, namespaces: Sequence[MemoryNamespace]) -> None:
        """What takes long is much, not away, and what is open may yet not answer: only a failure tells something."""
        if self._breaker.state is not Circuit.CLOSED:
            return
        try:
            await self._memory.open(namespaces)
        except MemoryUnavailable:
            self._observer.recall_missed()
            self._breaker.failed()
            raise

    @contextmanager
    def _guarding(self, began: float) -> Iterator[None]:
        if not self._breaker.admits():
            self._observer.recall_missed()
            raise MemoryUnavailable("circuit open")
        try:
            yield
        except MemoryUnavailable:
            self._observer.recall_missed()
            self._breaker.failed()
            raise
        except asyncio.CancelledError:
            if perf_counter() - began < DEADLINE * self._deadline:
                self._breaker.cancelled()
            else:
                self._observer.recall_missed()
                self._breaker.failed()
            raise
        except BaseException:
            self._breaker.cancelled()
            raise
        self._breaker.succeeded()

    async def extract_memories_from_conversation(
        self, namespace: MemoryNamespace, turns: Sequence[LearnableTurn], *, read_at: int | None = None
    ) -> LearningOutcome:
        with timing(self._observer, Step.LEARN):
            return await self._memory.extract_memories_from_conversation(namespace, turns, read_at=read_at)

    # -- as it is ---------------------------------------------------------------------------------------------------

    async def warm(self) -> None:
        await self._memory.warm()

    def create_user_identifier(self, user_id: UserId, profile_id: str) -> str:
        return self._memory.create_user_identifier(user_id, profile_id)

    async def prepare_memories(
        self, namespace: MemoryNamespace, text: str, origin: MemoryOrigin
    ) -> tuple[MemoryRecord, ...]:
        return await self._memory.prepare_memories(namespace, text, origin)

    async def add_memory(
        self,
        namespace: MemoryNamespace,
        text: str,
        origin: MemoryOrigin,
        *,
        state: MemoryState = MemoryState.LEARNED,
        metadata: Metadata | None = None,
    ) -> Memory:
        return await self._memory.add_memory(namespace, text, origin, state=state, metadata=metadata)

    async def get_memories(
        self,
        namespace: MemoryNamespace,
        *,
        limit: int = 100,
        offset: int = 0,
        include_superseded: bool = False,
    ) -> list[Memory]:
        return await self._memory.get_memories(
            namespace, limit=limit, offset=offset, include_superseded=include_superseded
        )

    async def get_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> Memory:
        return await self._memory.get_memory(namespace, memory_id)

    async def count_memories(self, namespace: MemoryNamespace) -> int:
        return await self._memory.count_memories(namespace)

    async def update_memory(self, namespace: MemoryNamespace, memory_id: MemoryId, text: str) -> Memory:
        return await self._memory.update_memory(namespace, memory_id, text)

    async def delete_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> None:
        await self._memory.delete_memory(namespace, memory_id)

    async def delete_all_memories(self, namespace: MemoryNamespace) -> int:
        return await self._memory.delete_all_memories(namespace)

    async def copy_memories_to_profile(self, source: MemoryNamespace, target: MemoryNamespace) -> int:
        return await self._memory.copy_memories_to_profile(source, target)

    async def reindex(self) -> int:
        return await self._memory.reindex()

    async def verify(self) -> int:
        return await self._memory.verify()

    async def close(self) -> None:
        await self._memory.close()
