from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.commands.registry import Registry
from core.engine import ConversationEngine
from core.own_data import OwnData
from core.ports import Clock, MemoryPort, PlatformAdapter, Store
from core.quotas import Quotas
from core.sealing import Sealer


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The running parts that the routes call. `platforms` are those whose webhooks are served here."""

    engine: ConversationEngine
    store: Store
    memory: MemoryPort
    sealer: Sealer
    registry: Registry
    clock: Clock
    quotas: Quotas
    own: OwnData
    platforms: Sequence[PlatformAdapter] = ()
