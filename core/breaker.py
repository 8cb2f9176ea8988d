"""A circuit breaker: whoever fails again and again is left alone for a while, then tried with one call.

closed → (`failures` in a row) → open → (`pause`, with jitter, longer after each probe that failed) → half open: one
probe → closed or open again. Written here because the kept libraries time by threads or by the wall clock, and none
knows a call that ends by cancellation (a deadline, `/stop`), which must free the probe's place.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from enum import StrEnum
from time import monotonic

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds that nobody is asked, at most."""


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """`failures` in a row open it for `pause` seconds. Ask `admits` before each call, then say how it went:
    `succeeded`, `failed`, or `cancelled` when that is not known. `changed` hears of every new state."""

    def __init__(
        self,
        name: str,
        *,
        failures: int = 5,
        pause: float = 5.0,
        changed: Callable[[str, str], None] = lambda _name, _state: None,
        clock: Callable[[], float] = monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.state = Circuit.CLOSED
        self._threshold = failures
        self._first_pause = self._pause = pause
        self._changed = changed
        self._clock = clock
        self._jitter = jitter
        self._count = 0
        self._until = 0.0
        self._probing = False
        changed(name, self.state)

    def admits(self) -> bool:
        """Whether a call may be made now; the one that may while half open is the probe."""
        if self.state is Circuit.CLOSED:
            return True
        if self._probing or self._clock() < self._until:
            return False
        self._become(Circuit.HALF_OPEN)
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._count, self._pause, self._probing = 0, self._first_pause, False
        self._become(Circuit.CLOSED)

    def failed(self) -> None:
        self._count += 1
        if self.state is Circuit.OPEN:
            return  # a call that began before it opened
        if self.state is Circuit.HALF_OPEN:
            self._pause = min(self._pause * 2, LONGEST)
        elif self._count < self._threshold:
            return
        self._probing = False
        self._until = self._clock() + self._pause * (0.75 + self._jitter() / 2)
        self._become(Circuit.OPEN)

    def cancelled(self) -> None:
        """Nothing is known of the other side; the next call is the probe."""
        self._probing = False

    def _become(self, state: Circuit) -> None:
        if state is not self.state:
            self.state = state
            log.warning("circuit of the %s is %s", self.name, state)
            self._changed(self.name, state)
