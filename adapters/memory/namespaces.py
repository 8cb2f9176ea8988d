"""The namespaces that this process has in memory: opened from the sealed rows on first use, kept fresh by their
generation, dropped when idle."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from adapters.memory.index import QdrantIndex
from adapters.memory.lexicon import Lexicon
from adapters.memory.ranking import GENERAL_FLOOR, NO_FLOOR, PERSONAL_FLOOR, Candidate, Entry, merged, newer_first, rank
from adapters.memory.records import RecordKeeper
from adapters.memory.terms import words
from core.errors import KeyMissing
from core.languages import detect_language
from core.learning import is_personal, text_key
from core.locks import KeyedLocks
from core.ports import Clock, Store
from core.ports.store import MemoryChanges
from core.types import Memory, MemoryId, MemoryNamespace, MemoryRecord, MemoryState, RecalledMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

NEAREST = 64
BY_WORDS = 24
IDLE_SECONDS = 1_800.0
MAX_LOADED = 60_000
MAX_NAMESPACES = 2_000
OPENED_AT_ONCE = 64

P = ParamSpec("P")
T = TypeVar("T")


class Opened:
    """One namespace in memory. Changed and read on the index's thread only."""

    def __init__(self, namespace: MemoryNamespace) -> None:
        self.namespace = namespace
        self.generation = -1
        self.erase_generation = 0
        self.used_at = 0.0
        self.dropped = False
        self.entries: dict[MemoryId, Entry] = {}
        self.keys: dict[str, MemoryId] = {}
        self.lexicon = Lexicon()
        self._told: list[tuple[float, MemoryId]] = []

    def add(self, entry: Entry) -> None:
        memory = entry.memory
        self.entries[memory.id] = entry
        self.keys.setdefault(text_key(memory.text), memory.id)
        self.lexicon.add(memory.id, _words_of(memory), entry.language)
        insort(self._told, (memory.said_at.timestamp(), memory.id))

    def remove(self, memory_id: MemoryId) -> bool:
        entry = self.entries.pop(memory_id, None)
        if entry is None:
            return False
        memory = entry.memory
        if self.keys.get(text_key(memory.text)) == memory_id:
            del self.keys[text_key(memory.text)]
        self.lexicon.remove(memory_id, _words_of(memory), entry.language)
        self._told.remove((memory.said_at.timestamp(), memory_id))
        return True

    def rare_words(self, memory_id: MemoryId) -> frozenset[str]:
        entry = self.entries[memory_id]
        return self.lexicon.rare_terms(entry.memory.text, entry.language)

    def told_before(self, entry: Entry) -> MemoryId | None:
        place = bisect_left(self._told, (entry.memory.said_at.timestamp(), entry.memory.id))
        return self._told[place - 1][1] if place else None


class Namespaces:
    """Opens, refreshes and searches namespaces. One thread owns index and lexicons: it is their write lock."""

    def __init__(
        self, store: Store, keeper: RecordKeeper, index: QdrantIndex, clock: Clock, *, max_loaded: int = MAX_LOADED
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._index = index
        self._clock = clock
        self._max_loaded = max_loaded
        self._opened: OrderedDict[MemoryNamespace, Opened] = OrderedDict()
        self._loaded = 0
        self._locks = KeyedLocks()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory-index")

    async def warm(self) -> None:
        await self.run(self._index.open)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something on the thread that owns the index."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def run_blocking(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for callers on other threads."""
        return self._thread.submit(work, *args, **kwargs).result()

    async def fresh(self, namespace: MemoryNamespace) -> Opened:
        """The namespace as the store has it now, whichever process wrote last.

        Raises StoreError, MemoryUnavailable.
        """
        async with self._locks.holding(namespace):
            state = await self._store.get_namespace_state(namespace)
            opened = self._opened.pop(namespace, None)
            self._loaded -= len(opened.entries) if opened else 0
            # Out of the list while it changes: what a failure leaves half done is opened again from the rows.
            if opened is None or opened.erase_generation != state.erase_generation:
                opened = await self._open(namespace)
            elif opened.generation != state.generation:
                await self._refresh(opened)
            opened.used_at = self._clock.monotonic()
            self._opened[namespace] = opened
            self._loaded += len(opened.entries)
        await self._drop_idle(namespace)
        return opened

    async def search(
        self, namespaces: Sequence[MemoryNamespace], question: str, vector: Vectors, limit: int, *, floor: bool
    ) -> list[RecalledMemory]:
        """Best first over all namespaces."""
        lowest = (PERSONAL_FLOOR if is_personal(question) else GENERAL_FLOOR) if floor else NO_FLOOR
        found = [await self._search_one(namespace, question, vector) for namespace in dict.fromkeys(namespaces)]
        return merged(found, limit, lowest)

    async def settle(self, namespace: MemoryNamespace) -> None:
        """Take a removal to the index now, not at the next search."""
        if namespace in self._opened or self._index.is_shared:
            await self.fresh(namespace)

    async def forget(self, namespace: MemoryNamespace) -> None:
        """Leave nothing of an erased namespace in memory or on the index server."""
        async with self._locks.holding(namespace):
            opened = self._opened.pop(namespace, None)
            if opened is not None:
                self._loaded -= len(opened.entries)
                opened.dropped = True
            await self.run(self._index.erase, namespace)

    async def close(self) -> None:
        await self.run(self._index.close)
        self._opened.clear()
        self._thread.shutdown(wait=False)

    async def _search_one(self, namespace: MemoryNamespace, question: str, vector: Vectors) -> list[RecalledMemory]:
        found: list[RecalledMemory] | None = None
        while found is None:
            found = await self.run(self.rank_one, await self.fresh(namespace), question, vector)
        return found

    def rank_one(self, opened: Opened, question: str, vector: Vectors) -> list[RecalledMemory] | None:
        """On the index's thread: every candidate that meaning or words bring, ranked. None: dropped meanwhile."""
        if opened.dropped:
            return None
        if not opened.entries:
            return []
        cosines = self._index.nearest(opened.namespace, vector, NEAREST)
        covered = opened.lexicon.scores(question)
        by_words = sorted(covered, key=lambda memory_id: -covered[memory_id])[:BY_WORDS]
        missing = [memory_id for memory_id in by_words if memory_id not in cosines]
        cosines |= self._index.cosines(opened.namespace, vector, missing)
        found = [memory_id for memory_id in dict.fromkeys([*cosines, *by_words]) if memory_id in opened.entries]
        candidates = {
            memory_id: Candidate(
                entry,
                cosines.get(memory_id, 0.0),
                covered.get(memory_id, 0.0),
                opened.told_before(entry),
            )
            for memory_id in found
            for entry in (opened.entries[memory_id],)
        }
        return newer_first(rank(words(question), candidates), opened.rare_words)

    async def _open(self, namespace: MemoryNamespace) -> Opened:
        opened = Opened(namespace)
        changes = await self._store.get_memory_changes(namespace, -1)
        entries, vectors = await self._unseal(changes.records)
        await self.run(self._fill, opened, entries, vectors)
        return _at(opened, changes)

    async def _refresh(self, opened: Opened) -> None:
        changes = await self._store.get_memory_changes(opened.namespace, opened.generation)
        kept = {record.id for record in changes.records if _unchanged(opened, record)}
        entries, vectors = await self._unseal([record for record in changes.records if record.id not in kept])
        present = {record.id for record in changes.records if record.state is not MemoryState.SUPERSEDED}
        gone = [memory_id for memory_id in opened.entries if memory_id not in present] if changes.complete else []
        gone += [record.id for record in changes.records if record.state is MemoryState.SUPERSEDED]
        await self.run(self._change, opened, entries, vectors, gone)
        _at(opened, changes)

    async def _unseal(self, records: Iterable[MemoryRecord]) -> tuple[list[Entry], dict[MemoryId, Vectors]]:
        entries: list[Entry] = []
        vectors: dict[MemoryId, Vectors] = {}
        for number, record in enumerate(records):
            if number % OPENED_AT_ONCE == OPENED_AT_ONCE - 1:
                await asyncio.sleep(0)  # thousands of rows are opened without one real wait
            if record.state is MemoryState.SUPERSEDED:
                continue
            try:
                memory = await self._keeper.open(record)
                vector = await self._keeper.vector(record)
            except KeyMissing:
                continue  # an erasure under way: the row is about to go as well
            entries.append(_entry(memory, record.generation))
            if vector is not None:
                vectors[record.id] = vector
        return entries, vectors

    def _fill(self, opened: Opened, entries: Sequence[Entry], vectors: dict[MemoryId, Vectors]) -> None:
        for entry in entries:
            opened.add(entry)
        self._index.fill(opened.namespace, _generations(opened, vectors), _matrix(vectors))

    def _change(
        self, opened: Opened, entries: Sequence[Entry], vectors: dict[MemoryId, Vectors], gone: Sequence[MemoryId]
    ) -> None:
        removed = [memory_id for memory_id in gone if opened.remove(memory_id)]
        for entry in entries:
            opened.remove(entry.memory.id)
            opened.add(entry)
        self._index.remove(opened.namespace, removed)
        self._index.put(opened.namespace, _generations(opened, vectors), _matrix(vectors))

    async def _drop_idle(self, used: MemoryNamespace) -> None:
        """The least recently used ones go when they have been idle or there is too much in memory."""
        before = self._clock.monotonic() - IDLE_SECONDS
        while self._opened:
            namespace, opened = next(iter(self._opened.items()))
            crowded = self._loaded > self._max_loaded or len(self._opened) > MAX_NAMESPACES
            if namespace == used or not (crowded or opened.used_at < before):
                return
            del self._opened[namespace]
            self._loaded -= len(opened.entries)
            await self.run(self._unload, opened)

    def _unload(self, opened: Opened) -> None:
        opened.dropped = True
        self._index.unload(opened.namespace)


def _words_of(memory: Memory) -> str:
    """With the speaker: in a room "what does Ben like" asks for what Ben said."""
    return f"{memory.author_name} {memory.text}"


def _entry(memory: Memory, generation: int) -> Entry:
    language = detect_language(memory.text) or memory.language or "en"
    return Entry(memory, language, memory.text.rstrip().endswith(("?", "？")), generation)


def _at(opened: Opened, changes: MemoryChanges) -> Opened:
    opened.generation = changes.state.generation
    opened.erase_generation = changes.state.erase_generation
    return opened


def _unchanged(opened: Opened, record: MemoryRecord) -> bool:
    entry = opened.entries.get(record.id)
    return entry is not None and entry.generation == record.generation and entry.memory.state is record.state


def _generations(opened: Opened, vectors: dict[MemoryId, Vectors]) -> dict[MemoryId, int]:
    return {memory_id: opened.entries[memory_id].generation for memory_id in vectors}


def _matrix(vectors: dict[MemoryId, Vectors]) -> Vectors:
    import numpy as np

    return np.stack(list(vectors.values())) if vectors else np.zeros((0, 1), np.float32)


def same_text(opened: Opened, text: str) -> Memory | None:
    """The memory that says the same already."""
    memory_id = opened.keys.get(text_key(text))
    return opened.entries[memory_id].memory if memory_id is not None else None
