"""The one persistent copy of everything, as small protocols that together are the `Store`.

Rules for every implementation:

- Content comes and goes as `Sealed`; a store never sees a text in the clear.
- Every call that names a row by id takes the owner as well; a row of somebody else's is NotFound.
- Each call is one transaction. Times are aware, in UTC. Lists have a stable order, so that pages neither repeat nor
skip.
- StoreUnavailable: locked or away, nothing was written, try again. StoreFull, StoreReadOnly: nothing was written.
"""

from __future__ import annotations

from typing import Protocol

from core.ports.access import AccessStore
from core.ports.accounts import AccountStore
from core.ports.store.memories import ForgettingStore, MemoryStore
from core.ports.store.people import ErasureStore, ExportStore, LinkStore, ProfileStore, UserStore
from core.ports.store.talk import ConversationStore, SceneStore, SessionStore
from core.ports.store.turns import PendingStore, TurnStore
from core.ports.store.upkeep import Maintenance


class Store(
    SceneStore,
    UserStore,
    ProfileStore,
    ConversationStore,
    SessionStore,
    MemoryStore,
    TurnStore,
    PendingStore,
    LinkStore,
    ForgettingStore,
    ExportStore,
    ErasureStore,
    AccountStore,
    AccessStore,
    Maintenance,
    Protocol,
):
    """All of it."""
