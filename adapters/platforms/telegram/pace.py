"""Keeping inside Telegram's limits, so that they are seldom met. One chat never waits for another's penalty."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from adapters.platforms.telegram.config import Pace
from core.errors import DeliveryRateLimited

PRUNE_ABOVE = 4_096


class Window:
    """At most `count` calls in any `seconds`. Times are those of one monotonic clock, reserved ones included."""

    def __init__(self, count: int, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=count)

    def next_at(self, now: float) -> float:
        full = len(self._times) == self._times.maxlen
        return max(now, self._times[0] + self._seconds) if full else now

    def take(self, at: float) -> None:
        self._times.append(at)

    def spare_at(self, now: float) -> float:
        """When less than half will be used, so that what can be left out does not crowd out what cannot."""
        keep = ((self._times.maxlen or 0) + 1) // 2
        return max(now, self._times[-keep] + self._seconds) if len(self._times) >= keep else now

    def is_idle(self, now: float) -> bool:
        return not self._times or self._times[-1] < now - self._seconds


class Pacer:
    """Every call that shows something in a chat asks here first. Group chats have negative ids."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._overall = Window(*pace.overall)
        self._chats: dict[int, tuple[Window, ...]] = {}
        self._blocked: dict[int, float] = {}

    async def wait(self, chat: int) -> None:
        """Wait for a place in the chat's budget, then for one in the overall budget.

        One after the other, because a place reserved for later would keep other chats from using the overall budget
        now. Raises DeliveryRateLimited when it takes longer than the patience, or while Telegram's own Retry-After for
        this chat runs: no place is then taken.
        """
        now = self._monotonic()
        windows = self._windows(chat)
        at = max(self._blocked.get(chat, now), *(window.next_at(now) for window in windows))
        delay = max(at, self._overall.next_at(now)) - now
        if delay > self._pace.patience:
            raise DeliveryRateLimited("pace", retry_after=delay)
        await self._take(windows, at)
        await self._take((self._overall,), self._overall.next_at(self._monotonic()))

    def spare(self, chat: int) -> float:
        """Seconds until there is plenty of room for something that can be left out; 0.0: now. Takes no place."""
        now = self._monotonic()
        at = max(window.spare_at(now) for window in (*self._windows(chat), self._overall))
        return max(at, self._blocked.get(chat, now)) - now

    def is_blocked(self, chat: int) -> bool:
        return self._blocked.get(chat, 0.0) > self._monotonic()

    def block(self, chat: int, seconds: float) -> None:
        """Telegram said Retry-After: nothing goes to this chat until then."""
        self._blocked[chat] = self._monotonic() + seconds

    async def _take(self, windows: Iterable[Window], at: float) -> None:
        for window in windows:
            window.take(at)
        if (seconds := at - self._monotonic()) > 0:
            await asyncio.sleep(seconds)

    def _windows(self, chat: int) -> tuple[Window, ...]:
        windows = self._chats.get(chat)
        if windows is None:
            if len(self._chats) >= PRUNE_ABOVE:
                self._prune()
            own = [Window(*self._pace.chat)]
            if chat < 0:
                own.append(Window(*self._pace.group))
            windows = self._chats[chat] = tuple(own)
        return windows

    def _prune(self) -> None:
        now = self._monotonic()
        idle = [chat for chat, windows in self._chats.items() if all(window.is_idle(now) for window in windows)]
        for chat in idle:
            del self._chats[chat]
        for chat in [chat for chat, until in self._blocked.items() if until <= now]:
            del self._blocked[chat]
