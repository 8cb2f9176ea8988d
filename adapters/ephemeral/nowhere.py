"""Several processes and nothing that they share in memory: incognito is refused, never pretended."""

from __future__ import annotations

from datetime import timedelta

from adapters.ephemeral.process import ProcessEphemeralStore
from core.errors import IncognitoUnavailable

REASON = "I run in several processes and have no shared memory that never touches a disk (REDIS_URL is not set)."


class NoEphemeralStore(ProcessEphemeralStore):
    async def unavailable(self) -> str | None:
        return REASON

    async def put(self, key: str, value: str, ttl: timedelta) -> None:
        raise IncognitoUnavailable

    async def append(self, key: str, value: str, ttl: timedelta) -> None:
        raise IncognitoUnavailable
