"""The sealed rows of memory, and how they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.batches import LearnBatch, MemoryChanges
from core.sealing import Sealed
from core.types import MemoryId, MemoryNamespace, MemoryRecord, NamespaceState, TurnId, UserId


class MemoryStore(Protocol):
    async def store_mem0_memory_reference(
        self, record: MemoryRecord, *, erase_generation: int | None = None
    ) -> MemoryRecord:
        """Insert, or replace the row of the same id and namespace. Raises ErasedMeanwhile when `erase_generation` is
        given and no longer current, NotFound when the profile is gone."""
        ...

    async def get_mem0_memory_references(
        self,
        namespace: MemoryNamespace,
        limit: int = 100,
        offset: int = 0,
        *,
        include_superseded: bool = False,
    ) -> list[MemoryRecord]:
        """Newest `said_at` first."""
        ...

    async def get_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> MemoryRecord: ...

    async def count_mem0_memory_references(self, namespace: MemoryNamespace) -> int:
        """Without the superseded ones."""
        ...

    async def delete_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> None: ...

    async def get_namespace_state(self, namespace: MemoryNamespace) -> NamespaceState: ...

    async def get_memory_changes(self, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        """Recallable and superseded rows whose generation is above `since`; all of them when rows went away since."""
        ...

    async def apply_learning(self, batch: LearnBatch) -> NamespaceState: ...

    async def find_memories_by_turn(self, user_id: UserId, turn_id: TurnId) -> list[MemoryRecord]:
        """Memories of this owner or author that have the turn among their sources."""
        ...

    async def find_memories_to_embed(self, embedder: str, limit: int) -> list[MemoryRecord]:
        """Rows whose vector was made by another embedder."""
        ...

    async def erase_namespace(self, namespace: MemoryNamespace) -> int:
        """Remove every memory and move both generations on; how many there were."""
        ...


class ForgettingStore(Protocol):
    """Words that are to go, beside the memories that were made of them. A namespace that messages go from counts it as
    a removal, see `LearnBatch`; summaries of their sessions go too."""

    async def forget_turns(
        self, user_id: UserId, turns: Sequence[TurnId], memories: Sequence[MemoryId | TurnId] = ()
    ) -> Mapping[str, int]:
        """Remove the messages and the ended rows of turns that this user wrote or owns, and every reply that used one
        of `memories` (its metadata's `memories_used`), or one that came from a turn named there (`turns_used`, for
        learning gives what a turn told another id), with those after it in the same talk, whose prompts it stood in.
        How many `messages` and `turns` went; unknown ids are passed over."""
        ...

    async def change_message(
        self, user_id: UserId, turn_id: TurnId, content: Sealed, *, rows: Mapping[TurnId, Sealed] | None = None
    ) -> bool:
        """What this author said in a turn has another text now, which is to be learned anew; whether there was one.
        `rows` are the new contents of the turn's rows that changed."""
        ...

    async def expire(self, now: datetime, messages: timedelta | None, memories: timedelta | None) -> Mapping[str, int]:
        """Remove messages (with the ended rows of their turns) and memories that are older than that; None: no limit.
        A profile's own `retention_days` goes before both. How many `messages` and `memories` went."""
        ...
