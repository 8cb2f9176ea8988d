"""The product's own memory (mem0, index, embedder) over a store in memory, under names of anybody's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from adapters.clock import SystemClock
from adapters.keys.plain import PlainSealer
from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import Embedder, OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.memory import MemoryStore
from core.ports import MemoryOrigin
from core.types import Memory, MemoryId, MemoryNamespace, TurnId, UserId, new_id


@dataclass(frozen=True, slots=True)
class Said:
    id: str
    namespace: str
    speaker: str
    text: str
    at: datetime


@dataclass
class Archive:
    """The product's memory under free names: `ana:personal/rome` is as good a namespace or id as any."""

    memory: Mem0Memory
    store: MemoryStore
    namespaces: dict[str, MemoryNamespace] = field(default_factory=dict)
    ids: dict[MemoryId, list[str]] = field(default_factory=dict)
    speakers: dict[str, UserId] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    async def namespace(self, name: str) -> MemoryNamespace:
        if name not in self.namespaces:
            user = await self.store.create_user()
            self.namespaces[name] = (await self.store.get_default_memory_profile(user.id)).namespace
        return self.namespaces[name]

    async def add(self, said: Said) -> Memory:
        speaker = self.speakers.setdefault(said.speaker, UserId(new_id()))
        origin = MemoryOrigin(said.at, speaker, said.speaker, source_turns=(TurnId(new_id()),))
        memory = await self.memory.add_memory(await self.namespace(said.namespace), said.text, origin)
        names = self.ids.setdefault(memory.id, [])
        if said.id not in names:
            names.append(said.id)
        return memory

    async def search(self, namespace: str, question: str, limit: int, *, floor: bool = False) -> list[str]:
        space = await self.namespace(namespace)
        found = await self.memory.search_memories([space], question, limit=limit, floor=floor)
        ids = [self.ids[item.memory.id] for item in found]
        # A text that was told several times is one memory; its other ids come after everything else.
        return [*(names[0] for names in ids), *(name for names in ids for name in names[1:])][:limit]


@asynccontextmanager
async def archive(embedder: Embedder | None = None) -> AsyncIterator[Archive]:
    clock = SystemClock()
    store = MemoryStore(clock)
    await store.open()
    memory = Mem0Memory(store, PlainSealer(), embedder or OnnxEmbedder(), OfflineLanguageModel(), clock)
    await memory.warm()
    yield Archive(memory, store)
    await memory.close()
