from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.types import (
    Memory,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    Metadata,
    PlatformName,
    RecalledMemory,
    TurnId,
    UserId,
)


@dataclass(frozen=True, slots=True)
class MemoryOrigin:
    """Where a memory comes from: who said it, when, on which platform, in which turns."""

    said_at: datetime
    author_id: UserId | None = None
    author_name: str = ""
    platform: PlatformName = PlatformName("")
    source_turns: tuple[TurnId, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class LearnableTurn:
    """A user's own words, and the reply as context, in the clear."""

    turn_id: TurnId
    author_id: UserId
    author_name: str
    said_at: datetime
    text: str
    reply: str = ""
    platform: PlatformName = PlatformName("")


@dataclass(frozen=True, slots=True)
class LearningOutcome:
    """What one learning batch did. `model_calls` 0: nothing in it was worth a call."""

    added: tuple[MemoryId, ...] = ()
    superseded: tuple[MemoryId, ...] = ()
    replaced_recent: int = 0
    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class MemoryPort(Protocol):
    """Long-term memory. Every call names the owner by the namespace; an id of another namespace is NotFound.

    Raises MemoryUnavailable when index or embedder cannot be used.
    """

    @property
    def is_ready(self) -> bool:
        """Whether a search would be answered without loading a model first."""
        ...

    async def warm(self) -> None:
        """Load what the first search would have to wait for; what only writing needs may go on loading behind it."""
        ...

    async def open(self, namespaces: Sequence[MemoryNamespace]) -> None:
        """Have them at hand for a search; at once where they are. A caller that is cut off ends its wait and not the
        work, so that the next one finds it done. Raises MemoryUnavailable, StoreError."""
        ...

    def create_user_identifier(self, user_id: UserId, profile_id: str) -> str:
        """The namespace as mem0's user id. Raises InvalidNamespace."""
        ...

    async def prepare_memories(
        self, namespace: MemoryNamespace, text: str, origin: MemoryOrigin
    ) -> tuple[MemoryRecord, ...]:
        """`recent` records, embedded and sealed, for the transaction that records a turn; nothing is stored.

        Of the text only its statements are kept (`core.learning.recent_memories`: no question, order, greeting or
        secret), and of those none whose text the namespace holds already. The embedding of a text just searched for
        is used again.
        """
        ...

    async def add_memory(
        self,
        namespace: MemoryNamespace,
        text: str,
        origin: MemoryOrigin,
        *,
        state: MemoryState = MemoryState.LEARNED,
        metadata: Metadata | None = None,
    ) -> Memory:
        """Store one memory as it stands; the existing one when the namespace holds the same text already."""
        ...

    async def get_memories(
        self,
        namespace: MemoryNamespace,
        *,
        limit: int = 100,
        offset: int = 0,
        include_superseded: bool = False,
    ) -> list[Memory]:
        """Newest said first."""
        ...

    async def get_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> Memory: ...

    async def count_memories(self, namespace: MemoryNamespace) -> int:
        """Those that can be recalled (superseded ones are not)."""
        ...

    def foresee(self, query: str) -> None:
        """Begin on what the search for a message will need, while the message is being accepted; never fails."""
        ...

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        """Best first over all given namespaces. `floor`: drop what is too far from the query to be worth a prompt."""
        ...

    async def update_memory(self, namespace: MemoryNamespace, memory_id: MemoryId, text: str) -> Memory: ...

    async def delete_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> None: ...

    async def delete_all_memories(self, namespace: MemoryNamespace) -> int:
        """Erase the namespace: rows, vectors, caches, key; its erase generation moves on. How many memories there
        were."""
        ...

    async def copy_memories_to_profile(self, source: MemoryNamespace, target: MemoryNamespace) -> int:
        """Copy what the target does not hold yet, sources and dates kept; how many were copied.

        Raises InvalidNamespace when the two belong to different users.
        """
        ...

    async def extract_memories_from_conversation(
        self, namespace: MemoryNamespace, turns: Sequence[LearnableTurn], *, read_at: int | None = None
    ) -> LearningOutcome:
        """One learning batch (design §3.7): a structured model call, then one write. `read_at` is the namespace's
        generation from before the turns were read; None: from before this call.

        Raises MalformedAnswer or another ModelError, so that the job retries; ErasedMeanwhile when the namespace was
        erased, or anything of it forgotten, since then.
        """
        ...

    async def reindex(self) -> int:
        """Embed again every memory whose embedder is not the current one; how many."""
        ...

    async def verify(self) -> int:
        """Compare the search index with the rows and mend it; how many entries were wrong."""
        ...

    async def close(self) -> None: ...
