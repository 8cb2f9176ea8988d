from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key of 32 bytes, unwrapped."""

    id: str
    scope: str
    secret: bytes = field(repr=False)


class Keyring(Protocol):
    """Data keys, wrapped by the master key, outside the database and its backups.

    Raises:
        KeyMissing: `get` of a key that was destroyed or never was here.
        StoreError: the keyring cannot be reached or written.
    """

    async def current(self, scope: str) -> DataKey:
        """The key that seals new content of a scope, made and stored durably on first use."""
        ...

    async def get(self, key_id: str) -> DataKey: ...

    async def destroy(self, *scopes: str) -> int:
        """Destroy every key of these scopes for ever, in one step; how many there were."""
        ...

    async def close(self) -> None: ...
