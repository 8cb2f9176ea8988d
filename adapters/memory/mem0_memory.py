"""Long-term memory: mem0's write path over our sealed rows, embedder and index."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal, TypeVar

from adapters.memory.consolidation import Consolidation
from adapters.memory.embedder import Embedder
from adapters.memory.floors import Floors
from adapters.memory.index import QdrantIndex
from adapters.memory.mem0_gateway import Mem0Gateway
from adapters.memory.namespaces import Namespaces
from adapters.memory.opened import Opened, same_text
from adapters.memory.records import Draft, RecordKeeper
from adapters.memory.terms import stem
from adapters.memory.vector_store import Work, only, payload_of
from core.batches import LearnBatch
from core.errors import EmptyMessage, ErasedMeanwhile, InvalidNamespace, KeyMissing, MemoryUnavailable, NotFound
from core.languages import detect_language
from core.learning import text_key
from core.locks import KeyedLocks
from core.ports import Clock, LanguageModel, LearnableTurn, LearningOutcome, MemoryOrigin, Store
from core.sealing import Sealer, namespace_scope
from core.speech import is_trivial
from core.statements import recent_memories
from core.text import clean_text, is_blank
from core.types import (
    Memory,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    Metadata,
    NamespaceState,
    ProfileId,
    RecalledMemory,
    UserId,
    new_id,
)

log = logging.getLogger(__name__)

Extraction = Literal["memorychat", "mem0"]
T = TypeVar("T")

PAGE = 200
EMBED_AT_ONCE = 64
OVERTAKEN = 4
LONG_TEXT = 5_000
"""Characters."""


class Mem0Memory:
    """`MemoryPort` on mem0. SQL holds the only persistent copy, sealed; Qdrant is filled from it.

    mem0 does what changes texts (`add`, `update`, its own extraction); it writes into a staging store whose rows are
    committed by one transaction. Reading and removing do not go through it: a search would cost five thread changes
    more on the reply path, and forgetting must work whatever becomes of mem0.

    `extraction="mem0"` lets mem0 infer facts with its own prompt instead of ours. Making one is cheap; `warm` loads.
    """

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        embedder: Embedder,
        model: LanguageModel,
        clock: Clock,
        *,
        index: QdrantIndex | None = None,
        extraction: Extraction = "memorychat",
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._embedder = embedder
        self._model = model
        self._clock = clock
        self._keeper = RecordKeeper(sealer, embedder.name)
        self._namespaces = Namespaces(store, self._keeper, index or QdrantIndex(embedder.dimension), clock)
        self._floors = Floors(embedder)
        self._mem0 = Mem0Gateway(embedder, model)
        self._consolidation = Consolidation(
            store,
            self._keeper,
            self._namespaces,
            embedder,
            model,
            self._mem0,
            clock,
            inferred_by_mem0=extraction == "mem0",
        )
        self._writing = KeyedLocks()
        self._warm = False

    @property
    def is_ready(self) -> bool:
        return self._warm

    async def warm(self) -> None:
        """Load embedder and index client; mem0 begins to load behind them, unless no model will ever write."""
        await asyncio.gather(self._embedder.warm(), self._namespaces.warm())
        await self._floors.warm()
        self._warm = True
        if not self._model.is_offline:
            self._mem0.load_soon()

    async def open(self, namespaces: Sequence[MemoryNamespace]) -> None:
        await self._namespaces.open(namespaces)

    def create_user_identifier(self, user_id: UserId, profile_id: str) -> str:
        return str(MemoryNamespace(user_id, ProfileId(profile_id)))

    async def prepare_memories(
        self, namespace: MemoryNamespace, text: str, origin: MemoryOrigin
    ) -> tuple[MemoryRecord, ...]:
        pieces = await _pieces(clean_text(text))
        held = await self._held(namespace) if pieces else Opened(namespace)
        now = self._clock.now()
        records: list[MemoryRecord] = []
        for piece in {text_key(piece): piece for piece in pieces if same_text(held, piece) is None}.values():
            # One at a time, so that others' recall need not wait for the whole of a long message.
            vector = (await self._embedder.embed([piece]))[0]
            draft = Draft(piece, vector, _with_language(origin, piece), MemoryState.RECENT, {})
            records.append(await self._keeper.seal(namespace, draft, now))
        return tuple(records)

    async def _held(self, namespace: MemoryNamespace) -> Opened:
        """What is known already; while the index is away nothing, so that what people tell now is kept all the same."""
        try:
            return await self._namespaces.fresh(namespace)
        except MemoryUnavailable as error:
            log.warning("kept without a look at what is known: %s", type(error).__name__)
            return Opened(namespace)

    async def add_memory(
        self,
        namespace: MemoryNamespace,
        text: str,
        origin: MemoryOrigin,
        *,
        state: MemoryState = MemoryState.LEARNED,
        metadata: Metadata | None = None,
    ) -> Memory:
        text = _usable(text)
        async with self._writing.holding(namespace):
            opened = await self._namespaces.fresh(namespace)
            same = same_text(opened, text)
            if same is not None:
                return same
            vector = (await self._embedder.embed([text]))[0]
            work = Work(namespace, vectors={text: vector.tolist()})
            await self._mem0.add_texts(work, [text])
            memory_id = MemoryId(only(work.staged).id)
            draft = Draft(text, vector, _with_language(origin, text), state, dict(metadata or {}), memory_id)
            record = await self._keeper.seal(namespace, draft, self._clock.now())
            stored = await self._store.store_mem0_memory_reference(record, erase_generation=opened.erase_generation)
        return await self._keeper.open(stored)

    async def get_memories(
        self,
        namespace: MemoryNamespace,
        *,
        limit: int = 100,
        offset: int = 0,
        include_superseded: bool = False,
    ) -> list[Memory]:
        records = await self._store.get_mem0_memory_references(
            namespace, limit, offset, include_superseded=include_superseded
        )
        return [await self._keeper.open(record) for record in records]

    async def get_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> Memory:
        return await self._keeper.open(await self._record(namespace, memory_id))

    async def count_memories(self, namespace: MemoryNamespace) -> int:
        return await self._store.count_mem0_memory_references(namespace)

    def foresee(self, query: str) -> None:
        if query and not is_trivial(query):
            self._embedder.foresee(query)

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        if not namespaces or not query.strip() or (floor and is_trivial(query)):
            return []
        vector = (await self._embedder.embed([query]))[0]
        return await self._namespaces.search(namespaces, query, vector, limit, self._floors if floor else None)

    async def update_memory(self, namespace: MemoryNamespace, memory_id: MemoryId, text: str) -> Memory:
        text = _usable(text)
        async with self._writing.holding(namespace):
            changed = await _unovertaken(lambda: self._update(namespace, memory_id, text))
        return await self._keeper.open(changed)

    async def _update(self, namespace: MemoryNamespace, memory_id: MemoryId, text: str) -> MemoryRecord:
        state = await self._store.get_namespace_state(namespace)
        record = await self._record(namespace, memory_id)
        before = await self._keeper.open(record)
        vector = (await self._embedder.embed([text]))[0]
        work = Work(namespace, vectors={text: vector.tolist()})
        work.known[str(memory_id)] = payload_of(namespace, before.text)
        await self._mem0.update(work, str(memory_id), text)
        changed = await self._resealed(record, only(work.staged).text)
        await self._replace(changed, state)
        return changed

    async def delete_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> None:
        async with self._writing.holding(namespace):
            await self._record(namespace, memory_id)
            await self._store.delete_mem0_memory_reference(namespace.user_id, memory_id)
        await self._namespaces.settle(namespace)

    async def delete_all_memories(self, namespace: MemoryNamespace) -> int:
        async with self._writing.holding(namespace):
            count = await self._store.erase_namespace(namespace)
            await self._sealer.destroy(namespace_scope(namespace))
            self._embedder.forget()
            stem.cache_clear()
            await self._namespaces.forget(namespace)
        return count

    async def copy_memories_to_profile(self, source: MemoryNamespace, target: MemoryNamespace) -> int:
        if source.user_id != target.user_id:
            raise InvalidNamespace
        async with self._writing.holding(target):
            held = await self._namespaces.fresh(target)
            keys = set(held.keys)
            copies: list[MemoryRecord] = []
            for record in (await self._store.get_memory_changes(source, -1)).records:
                text = await self._keeper.open(record)
                if record.state is MemoryState.SUPERSEDED or text_key(text.text) in keys:
                    continue
                keys.add(text_key(text.text))
                copies.append(await self._copied(record, text, target))
            await self._store.apply_learning(LearnBatch(target, held.erase_generation, add=tuple(copies)))
        return len(copies)

    async def extract_memories_from_conversation(
        self, namespace: MemoryNamespace, turns: Sequence[LearnableTurn], *, read_at: int | None = None
    ) -> LearningOutcome:
        return await self._consolidation.learn(namespace, turns, read_at)

    async def reindex(self) -> int:
        done = 0
        skipped: set[MemoryId] = set()
        while True:
            found = await self._store.find_memories_to_embed(self._embedder.name, EMBED_AT_ONCE + len(skipped))
            records = [record for record in found if record.id not in skipped]
            for record in records:
                if await self._embed_again(record):
                    done += 1
                else:
                    skipped.add(record.id)
            if not records:
                return done

    async def verify(self) -> int:
        return await self._namespaces.verify()

    async def close(self) -> None:
        await self._mem0.close()
        await self._namespaces.close()
        await self._embedder.close()

    async def _record(self, namespace: MemoryNamespace, memory_id: MemoryId) -> MemoryRecord:
        record = await self._store.get_mem0_memory_reference(namespace.user_id, memory_id)
        if record.namespace != namespace:
            raise NotFound
        return record

    async def _replace(self, record: MemoryRecord, read_at: NamespaceState) -> None:
        """Write a row that was there at `read_at`. Raises ErasedMeanwhile when anything was removed since: by itself
        the store's upsert would bring back what another process has just forgotten."""
        batch = LearnBatch(record.namespace, read_at.erase_generation, add=(record,), read_at=read_at.generation)
        await self._store.apply_learning(batch)

    async def _resealed(self, record: MemoryRecord, text: str) -> MemoryRecord:
        """The same memory with another text: a person's own words, so learned from now on."""
        vector = (await self._embedder.embed([text]))[0]
        draft = Draft(text, vector, MemoryOrigin(record.said_at), MemoryState.LEARNED, {}, record.id)
        sealed = await self._keeper.seal(record.namespace, draft, self._clock.now())
        return replace(
            record,
            text=sealed.text,
            vector=sealed.vector,
            embedder=sealed.embedder,
            state=MemoryState.LEARNED,
            superseded_by=None,
            updated_at=sealed.updated_at,
            language=detect_language(text) or record.language,
        )

    async def _copied(self, record: MemoryRecord, memory: Memory, target: MemoryNamespace) -> MemoryRecord:
        vector = await self._keeper.vector(record)
        if vector is None:
            vector = (await self._embedder.embed([memory.text]))[0]
        origin = MemoryOrigin(record.said_at)
        sealed = await self._keeper.seal(
            target, Draft(memory.text, vector, origin, record.state, {}), self._clock.now()
        )
        return replace(
            record,
            id=MemoryId(new_id()),
            namespace=target,
            text=sealed.text,
            vector=sealed.vector,
            embedder=sealed.embedder,
            created_at=sealed.created_at,
            updated_at=sealed.updated_at,
        )

    async def _embed_again(self, record: MemoryRecord) -> bool:
        """Whether the row could be embedded; one that was removed or changed meanwhile stays as it is now."""
        async with self._writing.holding(record.namespace):
            try:
                await _unovertaken(lambda: self._renew(record))
            except (NotFound, KeyMissing, ErasedMeanwhile):
                return False
        return True

    async def _renew(self, record: MemoryRecord) -> None:
        state = await self._store.get_namespace_state(record.namespace)
        current = await self._record(record.namespace, record.id)
        memory = await self._keeper.open(current)
        vector = (await self._embedder.embed([memory.text]))[0]
        draft = Draft(memory.text, vector, MemoryOrigin(record.said_at), record.state, {}, record.id)
        sealed = await self._keeper.seal(record.namespace, draft, self._clock.now())
        await self._replace(replace(current, vector=sealed.vector, embedder=sealed.embedder), state)


async def _unovertaken(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again when something of the namespace was removed meanwhile; whether it was this row shows then."""
    for _ in range(OVERTAKEN):
        with suppress(ErasedMeanwhile):
            return await work()
    return await work()


async def _pieces(text: str) -> tuple[str, ...]:
    """Telling the statements of a book's chapter takes 0.2 s: not on the event loop."""
    return await asyncio.to_thread(recent_memories, text) if len(text) > LONG_TEXT else recent_memories(text)


def _usable(text: str) -> str:
    """The text without what no store or model takes. Raises EmptyMessage."""
    text = clean_text(text)
    if is_blank(text):
        raise EmptyMessage
    return text


def _with_language(origin: MemoryOrigin, text: str) -> MemoryOrigin:
    return origin if origin.language else replace(origin, language=detect_language(text))
