"""The one door to mem0: loads it off the event loop and runs one piece of work at a time per door slot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.memory.embedder import Embedder
from adapters.memory.vector_store import BridgedEmbedder, BridgedModel, StagingVectorStore, Work, current
from core.errors import MemoryChatError, MemoryUnavailable
from core.ports import LanguageModel

if TYPE_CHECKING:
    from adapters.memory.mem0_engine import Engine

# mem0 occupies threads of the loop's shared pool (at least five) while it waits for what this loop computes: with two
# at a time there are always some left for that computation, so the two cannot wait for each other.
AT_ONCE = 2


class Mem0Gateway:
    """Runs mem0's pipelines over staged work. Raises MemoryUnavailable when mem0 fails, the work's own error first."""

    def __init__(self, embedder: Embedder, model: LanguageModel) -> None:
        self._embedder = embedder
        self._model = model
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._loading: asyncio.Future[Engine] | None = None

    def load_soon(self) -> asyncio.Future[Engine]:
        """Begin to load mem0 in a thread; the same future every time, a new one after a failure."""
        failed = self._loading is not None and self._loading.done() and self._loading.exception() is not None
        if self._loading is None or failed:
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(None, _load, self._embedder, self._model, loop)
        return self._loading

    async def add_texts(self, work: Work, texts: Sequence[str]) -> None:
        """mem0's `add` with `infer=False`: each text becomes one staged row."""
        await self._run(work, lambda engine: engine.add_texts(str(work.namespace), texts))

    async def infer(self, work: Work, messages: Sequence[Mapping[str, str]]) -> None:
        """mem0's own extraction: one call of the language model with its long prompt."""
        await self._run(work, lambda engine: engine.add(list(messages), user_id=str(work.namespace), infer=True))

    async def update(self, work: Work, memory_id: str, text: str) -> None:
        await self._run(work, lambda engine: engine.update(memory_id, text=text))

    async def close(self) -> None:
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)

    async def _run(self, work: Work, call: Callable[[Engine], Awaitable[object]]) -> None:
        try:
            engine = await asyncio.shield(self.load_soon())
            async with self._slots:
                await _within(work, call(engine))
        except MemoryChatError:
            raise
        except Exception as error:
            # mem0 wraps what it meets and quotes it; only the kind of failure may leave here.
            raise work.error or MemoryUnavailable("mem0", type(error).__name__) from None


async def _within(work: Work, call: Awaitable[object]) -> None:
    token = current.set(work)
    try:
        await call
    finally:
        current.reset(token)


def _load(embedder: Embedder, model: LanguageModel, loop: asyncio.AbstractEventLoop) -> Engine:
    from adapters.memory.mem0_engine import Engine

    return Engine(StagingVectorStore(), BridgedEmbedder(embedder, loop), BridgedModel(model, loop))
