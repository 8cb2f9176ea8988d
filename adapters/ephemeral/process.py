"""What must never touch a disk, in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta

from core.errors import IncognitoUnavailable
from core.ports import Clock

LIST_ITEMS = 500
"""A list keeps its newest items; a prompt uses far fewer."""


@dataclass(slots=True)
class _Entry:
    items: deque[str]
    size: int
    expires: float


class ProcessEphemeralStore:
    """Bounded to `max_bytes` of text, measured in UTF-8.

    When it is full, whole entries go, the one that was not written for the longest time first: such a talk is gone, as
    after a restart, and its person is told so. A list that alone would fill it loses its oldest items.

    `put` and `append` raise IncognitoUnavailable for a value that does not fit at all.
    """

    def __init__(self, clock: Clock, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        """By last write, oldest first."""

    async def unavailable(self) -> str | None:
        return None

    async def put(self, key: str, value: str, ttl: timedelta) -> None:
        self._check_fits(value)
        self._drop(key)
        self._add(key, deque([value]), _size(value), ttl)

    async def get(self, key: str) -> str | None:
        entry = self._live(key)
        return None if entry is None else entry.items[0]

    async def append(self, key: str, value: str, ttl: timedelta) -> None:
        self._check_fits(value)
        entry = self._live(key)
        items, size = (deque[str](), 0) if entry is None else (entry.items, entry.size)
        self._drop(key)
        items.append(value)
        size += _size(value)
        while len(items) > LIST_ITEMS or size > self._max_bytes:
            size -= _size(items.popleft())
        self._add(key, items, size, ttl)

    async def items(self, key: str) -> list[str] | None:
        entry = self._live(key)
        return None if entry is None else list(entry.items)

    async def delete(self, *keys: str) -> None:
        for key in keys:
            self._drop(key)

    async def expire(self) -> int:
        now = self._clock.monotonic()
        over = [key for key, entry in self._entries.items() if entry.expires <= now]
        for key in over:
            self._drop(key)
        return len(over)

    async def close(self) -> None:
        self._entries.clear()
        self._size = 0

    def _check_fits(self, value: str) -> None:
        if _size(value) > self._max_bytes:
            raise IncognitoUnavailable("larger than the ephemeral store", _size(value))

    def _add(self, key: str, items: deque[str], size: int, ttl: timedelta) -> None:
        now = self._clock.monotonic()
        while self._entries and (self._size + size > self._max_bytes or self._oldest().expires <= now):
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(items, size, now + ttl.total_seconds())
        self._size += size

    def _oldest(self) -> _Entry:
        return next(iter(self._entries.values()))

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.expires <= self._clock.monotonic():
            self._drop(key)
            return None
        return entry

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
