"""Between a memory in the clear and the sealed row that the store holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.ports import MemoryOrigin
from core.sealing import Sealer, namespace_scope
from core.types import Memory, MemoryId, MemoryNamespace, MemoryRecord, MemoryState, Metadata, new_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Draft:
    """A memory that is not sealed yet; `vector` has length one."""

    text: str
    vector: Vectors
    origin: MemoryOrigin
    state: MemoryState
    metadata: Metadata
    id: MemoryId | None = None


class RecordKeeper:
    """Seals and opens memories under their namespace's key. Vectors rest as float16: half the bytes, cosines alike to
    three digits."""

    def __init__(self, sealer: Sealer, embedder: str) -> None:
        self._sealer = sealer
        self._embedder = embedder

    async def seal(self, namespace: MemoryNamespace, draft: Draft, now: datetime) -> MemoryRecord:
        scope = namespace_scope(namespace)
        return MemoryRecord(
            id=draft.id or MemoryId(new_id()),
            namespace=namespace,
            text=await self._sealer.seal(scope, draft.text),
            vector=await self._sealer.seal_bytes(scope, _to_bytes(draft.vector)),
            embedder=self._embedder,
            state=draft.state,
            said_at=draft.origin.said_at,
            created_at=now,
            updated_at=now,
            author_id=draft.origin.author_id,
            author_name=draft.origin.author_name,
            language=draft.origin.language,
            platform=draft.origin.platform,
            source_turns=draft.origin.source_turns,
            metadata=draft.metadata,
        )

    async def open(self, record: MemoryRecord) -> Memory:
        """Raises KeyMissing for a row whose key was destroyed."""
        return Memory(
            id=record.id,
            namespace=record.namespace,
            text=await self._sealer.open(namespace_scope(record.namespace), record.text),
            state=record.state,
            said_at=record.said_at,
            created_at=record.created_at,
            updated_at=record.updated_at,
            author_id=record.author_id,
            author_name=record.author_name,
            language=record.language,
            platform=record.platform,
            source_turns=record.source_turns,
            superseded_by=record.superseded_by,
            metadata=record.metadata,
        )

    async def vector(self, record: MemoryRecord) -> Vectors | None:
        """None: there is none, or another embedder made it."""
        if record.vector is None or record.embedder != self._embedder:
            return None
        import numpy as np

        data = await self._sealer.open_bytes(namespace_scope(record.namespace), record.vector)
        return np.frombuffer(data, dtype="<f2").astype(np.float32)


def _to_bytes(vector: Vectors) -> bytes:
    return vector.astype("<f2").tobytes()
