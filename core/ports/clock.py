from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """`now` is aware and in UTC and may step back; `monotonic` is in seconds and never does."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...
