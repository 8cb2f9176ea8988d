from __future__ import annotations

from adapters.stores.supabase.rest import Rest
from core.ports.clock import Clock


class Group:
    """What every part of the store stands on."""

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock
