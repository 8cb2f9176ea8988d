"""How many turns work at a time, waits for the model and for platforms not counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.ports import Clock

RUSH = 0.1
"""Seconds: with less than that since the last message there is a rush."""
PATIENCE = 0.05
"""Seconds that a turn waits for the one at work: that one may have a long text to embed, or a disk that is late."""


class Pacing:
    """Lets `at_once` turns recall at a time, so that in a rush each has its deadline for itself and not for waiting in
    line.

    `yielding`: in a rush they recall and record one after the other, as far as patience goes. Turns whose store and
    memory are in this process are work for its threads, which get in one another's way and in that of accepting the
    next message.
    """

    def __init__(self, clock: Clock, at_once: int, *, yielding: bool) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(at_once)
        self._alone = asyncio.Lock()
        self._yielding = yielding
        self._last = -RUSH

    def arrived(self) -> None:
        """A message is about to be accepted."""
        self._last = self._clock.monotonic()

    @asynccontextmanager
    async def recalling(self) -> AsyncIterator[None]:
        """Hold this for work that ends by a deadline of its own."""
        async with self._slots, self.in_turn():
            yield

    @asynccontextmanager
    async def in_turn(self) -> AsyncIterator[None]:
        """Comes within PATIENCE, whatever the others do."""
        if not self._yielding or self._clock.monotonic() - self._last >= RUSH:
            yield
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._alone.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._alone.release()
