"""Keeping inside Slack's limits: all replies of a channel share one budget, and previews give way to final texts.

About one message a second goes to a channel; `chat.appendStream` takes about 100 calls a minute of a whole workspace
(https://docs.slack.dev/apis/web-api/rate-limits). Slack allows short bursts, so that a final text need not wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.platforms.slack.config import Pace
from core.errors import DeliveryRateLimited

PRUNE_ABOVE = 4_096
MINUTE = 60.0


class Budget:
    """Times are those of one monotonic clock. Raises DeliveryRateLimited, whose `retry_after` is the time left."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._free_at: dict[str, float] = {}
        self._closed_until: dict[str, float] = {}
        self._previews: deque[float] = deque(maxlen=pace.previews_a_minute)

    @contextmanager
    def sending(self, channel: str, *, preview: bool = False) -> Iterator[None]:
        """Around a call that shows something in a channel: none is made before a Retry-After of that channel is over.
        That of a `preview` holds up further previews only, because Slack counts by method."""
        if not preview:
            self._wait_until(self._closed_until.get(channel, 0.0))
        try:
            yield
        except DeliveryRateLimited as error:
            closed = self._free_at if preview else self._closed_until
            closed[channel] = self._monotonic() + error.retry_after
            raise
        self._free_at[channel] = self._monotonic() + self._pace.channel_seconds
        self._prune()

    def preview(self, channel: str) -> None:
        """Take the place of something that can be left out, or raise when it should be."""
        self._wait_until(max(self._free_at.get(channel, 0.0), self._closed_until.get(channel, 0.0)))
        if len(self._previews) == self._previews.maxlen:
            self._wait_until(self._previews[0] + MINUTE)
        self._previews.append(self._monotonic())

    def _wait_until(self, moment: float) -> None:
        if (seconds := moment - self._monotonic()) > 0:
            raise DeliveryRateLimited("pace", retry_after=seconds)

    def _prune(self) -> None:
        now = self._monotonic()
        for times in (self._free_at, self._closed_until):
            if len(times) > PRUNE_ABOVE:
                for channel in [channel for channel, until in times.items() if until <= now]:
                    del times[channel]
