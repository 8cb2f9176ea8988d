"""The Store in process memory: the same semantics as the database, nothing kept after the process."""

from __future__ import annotations

from adapters.stores.memory.access import MemoryAccess
from adapters.stores.memory.accounts import MemoryAccounts
from adapters.stores.memory.erasure import MemoryErasure
from adapters.stores.memory.forgetting import MemoryForgetting
from adapters.stores.memory.links import MemoryLinks
from adapters.stores.memory.maintenance import MemoryMaintenance
from adapters.stores.memory.replies import MemoryReplies
from adapters.stores.memory.scenes import MemoryScenes
from adapters.stores.memory.turns import MemoryTurns


class MemoryStore(
    MemoryLinks,
    MemoryAccounts,
    MemoryTurns,
    MemoryScenes,
    MemoryReplies,
    MemoryErasure,
    MemoryForgetting,
    MemoryAccess,
    MemoryMaintenance,
):
    """`MemoryStore(clock)`: every method of `core.ports.store.Store`, for one event loop."""


__all__ = ["MemoryStore"]
