from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import mem0_memories, namespaces
from adapters.stores.supabase.group import Group
from adapters.stores.supabase.rest import PAGE
from adapters.stores.supabase.values import rows_of
from core.batches import LearnBatch, MemoryChanges
from core.errors import NotFound
from core.sealing import Sealed
from core.types import (
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    NamespaceState,
    TurnId,
    UserId,
)


class SupabaseMemories(Group):
    async def store_mem0_memory_reference(
        self, record: MemoryRecord, *, erase_generation: int | None = None
    ) -> MemoryRecord:
        given = {"record": rows.memory_values(record), "erase_generation": erase_generation}
        return rules.stamped(record, await self._rest.call("mc_store_memory", given, safe=True))

    async def get_mem0_memory_references(
        self,
        namespace: MemoryNamespace,
        limit: int = 100,
        offset: int = 0,
        *,
        include_superseded: bool = False,
    ) -> list[MemoryRecord]:
        found = await self._rest.find(
            mem0_memories,
            _in(namespace),
            None if include_superseded else lambda query: query.neq("state", MemoryState.SUPERSEDED),
            order=("-said_at", "-ordinal"),
            limit=limit,
            offset=offset,
        )
        return [rows.memory_of(row) for row in found]

    async def get_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> MemoryRecord:
        row = await self._rest.first(mem0_memories, {"id": memory_id, "user_id": user_id})
        if row is None:
            raise NotFound
        return rows.memory_of(row)

    async def count_mem0_memory_references(self, namespace: MemoryNamespace) -> int:
        return await self._rest.count(
            mem0_memories, _in(namespace), lambda query: query.neq("state", MemoryState.SUPERSEDED)
        )

    async def delete_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> None:
        await self._rest.call("mc_delete_memory", {"user_id": user_id, "id": memory_id})

    async def get_namespace_state(self, namespace: MemoryNamespace) -> NamespaceState:
        row = await self._rest.first(namespaces, _in(namespace))
        return NamespaceState(row.generation, row.erase_generation) if row else NamespaceState(0, 0)

    async def get_memory_changes(self, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        """In pages; from the beginning again when the namespace moved on between two of them."""
        while True:
            pages = [await self._changes(namespace, since, -1)]
            while len(pages[-1]["records"]) == PAGE and _moment(pages[-1]) == _moment(pages[0]):
                pages.append(await self._changes(namespace, since, pages[-1]["records"][-1]["ordinal"]))
            if _moment(pages[-1]) == _moment(pages[0]):
                break
        current, erased, removed = _moment(pages[0])
        found = rows_of(mem0_memories, [item for page in pages for item in page["records"]])
        complete = rules.needs_all(since, current, removed)
        return MemoryChanges(NamespaceState(current, erased), tuple(map(rows.memory_of, found)), complete)

    async def _changes(self, namespace: MemoryNamespace, since: int, after: int) -> Mapping[str, list[dict[str, int]]]:
        given = {**_in(namespace), "since": since, "after": after, "limit": PAGE}
        page: Mapping[str, list[dict[str, int]]] = await self._rest.call("mc_memory_changes", given, safe=True)
        return page

    async def apply_learning(self, batch: LearnBatch) -> NamespaceState:
        if any(record.namespace != batch.namespace for record in batch.add):
            raise NotFound
        given = {
            **_in(batch.namespace),
            "erase_generation": batch.erase_generation,
            "read_at": batch.read_at,
            "add": [rows.memory_values(record) for record in batch.add],
            "remove": batch.remove,
            "supersede": batch.supersede,
            "at": self._clock.now(),
        }
        state = await self._rest.call("mc_apply_learning", given, safe=True)
        return NamespaceState(state["generation"], state["erase_generation"])

    async def find_memories_by_turn(self, user_id: UserId, turn_id: TurnId) -> list[MemoryRecord]:
        given = {"user_id": user_id, "turn_id": turn_id}
        found = await self._rest.call("mc_memories_by_turn", given, safe=True)
        return [rows.memory_of(row) for row in rows_of(mem0_memories, found)]

    async def find_memories_to_embed(self, embedder: str, limit: int) -> list[MemoryRecord]:
        found = await self._rest.find(
            mem0_memories, {}, lambda query: query.neq("embedder", embedder), order=("ordinal",), limit=limit
        )
        return [rows.memory_of(row) for row in found]

    async def erase_namespace(self, namespace: MemoryNamespace) -> int:
        return int(await self._rest.call("mc_erase_namespace", _in(namespace)))

    async def get_authored_memories(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[MemoryRecord]:
        found = await self._rest.find(
            mem0_memories,
            {"author_id": user_id},
            lambda query: query.neq("user_id", user_id),
            order=("said_at", "ordinal"),
            limit=limit,
            offset=offset,
        )
        return [rows.memory_of(row) for row in found]


class SupabaseForgetting(Group):
    async def forget_turns(
        self, user_id: UserId, turns: Sequence[TurnId], memories: Sequence[MemoryId | TurnId] = ()
    ) -> Mapping[str, int]:
        given = {"user_id": user_id, "turns": turns, "memories": memories}
        gone: Mapping[str, int] = await self._rest.call("mc_forget_turns", given)
        return gone

    async def change_message(
        self, user_id: UserId, turn_id: TurnId, content: Sealed, *, rows: Mapping[TurnId, Sealed] | None = None
    ) -> bool:
        changed = {row_id: _content(item) for row_id, item in (rows or {}).items()}
        given = {"user_id": user_id, "turn_id": turn_id, "content": _content(content), "rows": changed}
        return bool(await self._rest.call("mc_change_message", given, safe=True))

    async def expire(self, now: datetime, messages: timedelta | None, memories: timedelta | None) -> Mapping[str, int]:
        given = {
            "now": now,
            "messages_before": None if messages is None else now - messages,
            "memories_before": None if memories is None else now - memories,
        }
        gone: Mapping[str, int] = await self._rest.call("mc_expire", given)
        return gone


def _content(content: Sealed) -> rows.Values:
    return rows.sealed_values("content", content)


def _in(namespace: MemoryNamespace) -> dict[str, object]:
    return {"user_id": namespace.user_id, "profile_id": namespace.profile_id}


def _moment(page: Mapping[str, object]) -> tuple[int, int, int]:
    """The generations that a page of changes belongs to."""
    names = ("generation", "erase_generation", "removed_generation")
    current, erased, removed = (int(str(page[name])) for name in names)
    return current, erased, removed
