"""Memory over real parts: a person with profiles in a store, and as many processes on it as a test needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.clock import ManualClock
from adapters.memory.embedder import Embedder
from adapters.memory.index import QdrantIndex
from adapters.memory.mem0_memory import Extraction, Mem0Memory
from core.ports import LearnableTurn, MemoryOrigin, Store
from core.sealing import Sealer
from core.types import Memory, MemoryNamespace, RecalledMemory, TurnId, UserId, new_id
from tests.support.models import ScriptedModel

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Mind:
    """One process's memory of one person's default profile (`namespace`), with short words for what tests do."""

    memory: Mem0Memory
    namespace: MemoryNamespace
    store: Store
    model: ScriptedModel
    clock: ManualClock

    @property
    def user_id(self) -> UserId:
        return self.namespace.user_id

    async def add(self, text: str, namespace: MemoryNamespace | None = None, **origin: object) -> Memory:
        return await self.memory.add_memory(namespace or self.namespace, text, self.origin(**origin))

    async def found(self, query: str, *namespaces: MemoryNamespace, floor: bool = True) -> list[str]:
        return [item.memory.text for item in await self.recalled(query, *namespaces, floor=floor)]

    async def recalled(self, query: str, *namespaces: MemoryNamespace, floor: bool = True) -> list[RecalledMemory]:
        return await self.memory.search_memories(namespaces or (self.namespace,), query, floor=floor)

    async def texts(self, namespace: MemoryNamespace | None = None) -> list[str]:
        return [memory.text for memory in await self.memory.get_memories(namespace or self.namespace)]

    async def profile(self, name: str) -> MemoryNamespace:
        return (await self.store.create_memory_profile(self.user_id, name)).namespace

    async def told(self, *texts: str) -> list[LearnableTurn]:
        """Turns whose `recent` memories are stored, as recording a turn does."""
        turns = [self.turn(text) for text in texts]
        for turn in turns:
            origin = self.origin(source_turns=(turn.turn_id,))
            for record in await self.memory.prepare_memories(self.namespace, turn.text, origin):
                await self.store.store_mem0_memory_reference(record)
        return turns

    def turn(self, text: str, reply: str = "Noted.") -> LearnableTurn:
        return LearnableTurn(TurnId(new_id()), self.user_id, "", self.clock.now(), text, reply)

    def origin(self, **changes: object) -> MemoryOrigin:
        self.clock.advance(timedelta(minutes=1))
        given: dict[str, object] = {"said_at": self.clock.now(), "author_id": self.user_id, **changes}
        return MemoryOrigin(**given)  # type: ignore[arg-type]  # tests name the fields they mean


@dataclass
class House:
    """One store and what seals it. Every `mind` is a process of its own on it."""

    store: Store
    sealer: Sealer
    embedder: Embedder
    clock: ManualClock
    opened: list[Mind] = field(default_factory=list)

    async def mind(
        self,
        like: Mind | None = None,
        *,
        model: ScriptedModel | None = None,
        index: QdrantIndex | None = None,
        extraction: Extraction = "memorychat",
        embedder: Embedder | None = None,
    ) -> Mind:
        """A person's memory; `like` another one: the same person in another process."""
        model = model or ScriptedModel()
        memory = Mem0Memory(
            self.store,
            self.sealer,
            embedder or self.embedder,
            model,
            self.clock,
            index=index,
            extraction=extraction,
        )
        if like is not None:
            namespace = like.namespace
        else:
            user = await self.store.create_user()
            namespace = (await self.store.get_default_memory_profile(user.id)).namespace
        mind = Mind(memory, namespace, self.store, model, self.clock)
        self.opened.append(mind)
        return mind


@asynccontextmanager
async def house(store: Store, sealer: Sealer, embedder: Embedder, clock: ManualClock) -> AsyncIterator[House]:
    await store.open()
    built = House(store, sealer, embedder, clock)
    yield built
    for mind in built.opened:
        await mind.memory._mem0.close()
        await mind.memory._namespaces.close()
    await store.close()


def texts_of(found: Sequence[RecalledMemory]) -> list[str]:
    return [item.memory.text for item in found]
