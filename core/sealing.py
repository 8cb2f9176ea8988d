"""Content at rest: what a store may hold of a text, and who may open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sealed:
    """The only form in which content reaches a Store: text safe for any text column, and the id of the key that
    seals it.

    `key_id` is None for content stored plainly (by setting).
    """

    text: str
    key_id: str | None = None

    def __repr__(self) -> str:
        return f"Sealed({len(self.text)} characters, key={self.key_id})"


class Sealer(Protocol):
    """Seals under a data key per scope (`session:<id>` or `namespace:<user>:<profile>`), made on first use.

    `open` raises KeyMissing for content whose key was destroyed or is not here. The keys of scopes may be destroyed for
    ever, many in one step: that is erasure, backups included.
    """

    async def seal(self, scope: str, text: str) -> Sealed: ...

    async def seal_bytes(self, scope: str, data: bytes) -> Sealed: ...

    async def open(self, scope: str, sealed: Sealed) -> str: ...

    async def open_bytes(self, scope: str, sealed: Sealed) -> bytes: ...

    async def destroy(self, *scopes: str) -> None: ...


def session_scope(session_id: str) -> str:
    """The key scope of a session's messages, turns and replies."""
    return f"session:{session_id}"


def namespace_scope(namespace: object) -> str:
    """The key scope of a namespace's memories; takes a MemoryNamespace."""
    return f"namespace:{namespace}"
