"""The namespaces that this process has in memory: opened from the sealed rows on first use, kept fresh by their
generation, dropped when idle."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from adapters.memory.floors import Floors
from adapters.memory.index import QdrantIndex
from adapters.memory.opened import Opened, entry_of, find
from adapters.memory.ranking import NO_FLOOR, Entry, merged
from adapters.memory.records import RecordKeeper
from core.errors import KeyMissing
from core.locks import KeyedLocks
from core.ports import Clock, Store
from core.types import MemoryId, MemoryNamespace, MemoryRecord, MemoryState, NamespaceState, RecalledMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

log = logging.getLogger(__name__)

IDLE_SECONDS = 1_800.0
MAX_LOADED = 60_000
MAX_NAMESPACES = 2_000
OPENED_AT_ONCE = 64

P = ParamSpec("P")
T = TypeVar("T")


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
        self._opening: dict[MemoryNamespace, asyncio.Task[Opened]] = {}
        self._loaded = 0
        self._locks = KeyedLocks()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory-index")

    async def warm(self) -> None:
        await self.run(self._index.open)

    async def open(self, namespaces: Sequence[MemoryNamespace]) -> None:
        """Opening ten thousand memories takes some seconds, which no waiter's deadline may cut: it would never end."""
        for namespace in namespaces:
            if namespace not in self._opened:
                await asyncio.shield(self._opening_of(namespace))

    def _opening_of(self, namespace: MemoryNamespace) -> asyncio.Task[Opened]:
        task = self._opening.get(namespace)
        if task is None:
            task = self._opening[namespace] = asyncio.create_task(self.fresh(namespace))
            task.add_done_callback(partial(self._has_opened, namespace))
        return task

    def _has_opened(self, namespace: MemoryNamespace, task: asyncio.Task[Opened]) -> None:
        del self._opening[namespace]
        if not task.cancelled() and (error := task.exception()):
            log.info("a namespace was not opened: %s", type(error).__name__)

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
        self, namespaces: Sequence[MemoryNamespace], question: str, vector: Vectors, limit: int, floors: Floors | None
    ) -> list[RecalledMemory]:
        """Best first over all namespaces; `floors` leave out what is too far."""
        found = [await self._search_one(namespace, question, vector, limit) for namespace in dict.fromkeys(namespaces)]
        told_in = next((hits[0].memory.language for hits in found if hits), "")
        return merged(found, limit, await floors.of(question, told_in) if floors else NO_FLOOR)

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

    async def verify(self) -> int:
        """Compare the index with the rows, in every namespace that is open here or on the server, and mend it; how many
        points were wrong. What a server holds of namespaces that are gone goes."""
        wrong = 0
        for namespace in {*self._opened, *await self.run(self._index.on_server)}:
            if namespace in self._opened:
                await self.fresh(namespace)
            before = await self._differences(namespace)
            if before:
                self._set_aside(namespace)
                await self.fresh(namespace)
                wrong += len(before - await self._differences(namespace))
        return wrong

    def _set_aside(self, namespace: MemoryNamespace) -> None:
        """To be opened again from the rows."""
        opened = self._opened.pop(namespace, None)
        if opened is not None:
            self._loaded -= len(opened.entries)

    async def _differences(self, namespace: MemoryNamespace) -> set[MemoryId]:
        """Points that should not be there, are not there, or show another version of their memory."""
        rows = (await self._store.get_memory_changes(namespace, -1)).records
        due = {record.id: record.generation for record in rows if record.state is not MemoryState.SUPERSEDED}
        held = await self.run(self._index.held, namespace)
        stale = {key for key in held.keys() & due.keys() if self._index.is_shared and held[key] != due[key]}
        return (held.keys() ^ due.keys()) | stale

    async def close(self) -> None:
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await self.run(self._index.close)
        self._opened.clear()
        self._thread.shutdown(wait=False)

    async def _search_one(
        self, namespace: MemoryNamespace, question: str, vector: Vectors, limit: int
    ) -> list[RecalledMemory]:
        found: list[RecalledMemory] | None = None
        while found is None:
            found = await self.run(self.rank_one, await self.fresh(namespace), question, vector, limit)
        return found

    def rank_one(self, opened: Opened, question: str, vector: Vectors, limit: int = 10) -> list[RecalledMemory] | None:
        """On the index's thread: every candidate that meaning or words bring, ranked. None: dropped meanwhile."""
        return None if opened.dropped else find(opened, self._index, question, vector, limit, self._clock.now())

    async def _open(self, namespace: MemoryNamespace) -> Opened:
        opened = Opened(namespace)
        changes = await self._store.get_memory_changes(namespace, -1)
        state = changes.state
        entries, vectors = await self._unseal(changes.records)
        del changes  # the sealed rows of 10,000 memories weigh 30 MB
        await self.run(self._fill, opened, entries, vectors)
        return _at(opened, state)

    async def _refresh(self, opened: Opened) -> None:
        changes = await self._store.get_memory_changes(opened.namespace, opened.generation)
        kept = {record.id for record in changes.records if _unchanged(opened, record)}
        entries, vectors = await self._unseal([record for record in changes.records if record.id not in kept])
        present = {record.id for record in changes.records if record.state is not MemoryState.SUPERSEDED}
        gone = [memory_id for memory_id in opened.entries if memory_id not in present] if changes.complete else []
        gone += [record.id for record in changes.records if record.state is MemoryState.SUPERSEDED]
        await self.run(self._change, opened, entries, vectors, gone)
        _at(opened, changes.state)

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
            entries.append(entry_of(memory, record.generation))
            if vector is not None:
                vectors[record.id] = vector
        return entries, vectors

    def _fill(self, opened: Opened, entries: Sequence[Entry], vectors: dict[MemoryId, Vectors]) -> None:
        for entry in entries:
            opened.add(entry)
        generations, matrix = _generations(opened, vectors), _matrix(vectors)
        if self._index.is_shared:
            self._index.fill(opened.namespace, generations, matrix)
        else:
            # By pages: the embedded client makes lists of all numbers that it is given at once, 15 KB a memory.
            self._index.fill(opened.namespace, {}, matrix[:0])
            self._index.put(opened.namespace, generations, matrix)

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


def _at(opened: Opened, state: NamespaceState) -> Opened:
    opened.generation = state.generation
    opened.erase_generation = state.erase_generation
    return opened


def _unchanged(opened: Opened, record: MemoryRecord) -> bool:
    entry = opened.entries.get(record.id)
    return entry is not None and entry.generation == record.generation and entry.memory.state is record.state


def _generations(opened: Opened, vectors: dict[MemoryId, Vectors]) -> dict[MemoryId, int]:
    return {memory_id: opened.entries[memory_id].generation for memory_id in vectors}


def _matrix(vectors: dict[MemoryId, Vectors]) -> Vectors:
    import numpy as np

    return np.stack(list(vectors.values())) if vectors else np.zeros((0, 1), np.float32)
