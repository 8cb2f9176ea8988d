from __future__ import annotations

from datetime import timedelta
from typing import Protocol


class EphemeralStore(Protocol):
    """Holds what must never touch a disk: process memory, or Redis without persistence.

    Every value lives at most `ttl` after its last write. Keys are `scope:id`, free of content. A list keeps at least
    its newest 500 items, except where memory runs out.

    Raises:
        IncognitoUnavailable: `put` and `append` of what cannot be held here.
        StoreUnavailable: it cannot be reached.
    """

    async def unavailable(self) -> str | None:
        """Why incognito cannot be held here, or None when it can."""
        ...

    async def put(self, key: str, value: str, ttl: timedelta) -> None: ...

    async def get(self, key: str) -> str | None: ...

    async def append(self, key: str, value: str, ttl: timedelta) -> None:
        """Add to the list at `key`, making it when there is none."""
        ...

    async def items(self, key: str) -> list[str] | None:
        """The list at `key`, oldest first; None when there is none (never written, expired or lost)."""
        ...

    async def delete(self, *keys: str) -> None: ...

    async def expire(self) -> int:
        """Drop what is over its time now instead of when it is next looked for; how many entries that were, 0 where the
        server does it by itself."""
        ...

    async def close(self) -> None: ...
