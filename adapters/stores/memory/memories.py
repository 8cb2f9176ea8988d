from __future__ import annotations

from dataclasses import replace

from adapters.stores import rules
from adapters.stores.memory.tables import Generations, Group
from core.batches import LearnBatch, MemoryChanges
from core.errors import ErasedMeanwhile, NotFound
from core.types import (
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    NamespaceState,
    TurnId,
    UserId,
)


class MemoryMemories(Group):
    async def store_mem0_memory_reference(
        self, record: MemoryRecord, *, erase_generation: int | None = None
    ) -> MemoryRecord:
        self._check_record(record)
        if erase_generation is not None and erase_generation != self._tables.state(record.namespace).erase_generation:
            raise ErasedMeanwhile
        return self._write_record(record, self._tables.move_on(record.namespace))

    def _check_record(self, record: MemoryRecord) -> None:
        known = self._tables.memories.get(record.id)
        if not self._tables.owns(record.namespace) or (known and known.namespace != record.namespace):
            raise NotFound

    def _write_record(self, record: MemoryRecord, generation: int) -> MemoryRecord:
        stored = rules.stamped(record, generation)
        self._tables.memories[record.id] = stored
        return stored

    async def get_mem0_memory_references(
        self,
        namespace: MemoryNamespace,
        limit: int = 100,
        offset: int = 0,
        *,
        include_superseded: bool = False,
    ) -> list[MemoryRecord]:
        rows = self._all_of(namespace) if include_superseded else list(self._tables.recallable(namespace))
        return sorted(rows, key=lambda row: row.said_at)[::-1][offset : offset + limit]

    def _all_of(self, namespace: MemoryNamespace) -> list[MemoryRecord]:
        return [row for row in self._tables.memories.values() if row.namespace == namespace]

    async def get_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> MemoryRecord:
        return self._tables.memory(user_id, memory_id)

    async def count_mem0_memory_references(self, namespace: MemoryNamespace) -> int:
        return sum(1 for _ in self._tables.recallable(namespace))

    async def delete_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> None:
        record = self._tables.memory(user_id, memory_id)
        del self._tables.memories[memory_id]
        self._tables.move_on(record.namespace, removed=True)

    async def get_namespace_state(self, namespace: MemoryNamespace) -> NamespaceState:
        return self._tables.state(namespace)

    async def get_memory_changes(self, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        generations = self._tables.namespaces.get(namespace, Generations())
        complete = rules.needs_all(since, generations.current, generations.removed)
        rows = [row for row in self._all_of(namespace) if complete or row.generation > since]
        return MemoryChanges(self._tables.state(namespace), tuple(rows), complete)

    async def apply_learning(self, batch: LearnBatch) -> NamespaceState:
        tables, namespace = self._tables, batch.namespace
        if not tables.owns(namespace) or batch.erase_generation != tables.state(namespace).erase_generation:
            raise ErasedMeanwhile
        if batch.read_at is not None and tables.namespaces.get(namespace, Generations()).removed > batch.read_at:
            raise ErasedMeanwhile
        for record in batch.add:
            if record.namespace != namespace:
                raise NotFound
            self._check_record(record)
        mine = {row.id for row in self._all_of(namespace)}
        generation = tables.move_on(namespace, removed=bool(mine & set(batch.remove)))
        for memory_id in mine & set(batch.remove):
            del tables.memories[memory_id]
        for record in batch.add:
            self._write_record(record, generation)
        self._supersede(batch, generation)
        return tables.state(namespace)

    def _supersede(self, batch: LearnBatch, generation: int) -> None:
        now = self._clock.now()
        for old_id, by in batch.supersede:
            old = self._tables.memories.get(old_id)
            if old and old.namespace == batch.namespace:
                old = replace(old, state=MemoryState.SUPERSEDED, superseded_by=by, updated_at=now)
                self._write_record(old, generation)

    async def find_memories_by_turn(self, user_id: UserId, turn_id: TurnId) -> list[MemoryRecord]:
        rows = [row for row in self._tables.memories.values() if turn_id in row.source_turns]
        return [row for row in rows if user_id in {row.namespace.user_id, row.author_id}]

    async def find_memories_to_embed(self, embedder: str, limit: int) -> list[MemoryRecord]:
        return [row for row in self._tables.memories.values() if row.embedder != embedder][:limit]

    async def erase_namespace(self, namespace: MemoryNamespace) -> int:
        if not self._tables.owns(namespace):
            raise NotFound
        gone = self._all_of(namespace)
        for record in gone:
            del self._tables.memories[record.id]
        for message in [row for row in self._tables.messages.values() if row.namespace == namespace]:
            self._tables.messages[message.id] = replace(message, learned=True)
        self._tables.move_on(namespace, removed=True, erased=True)
        return len(gone)
