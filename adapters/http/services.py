from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.commands.registry import Registry
from core.direct import DIRECT
from core.engine import ConversationEngine
from core.errors import Conflict
from core.own_data import OwnData
from core.ports import Clock, MemoryPort, PlatformAdapter, Store
from core.quotas import Quotas
from core.sealing import Sealer
from core.types import ChatSession


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

    async def refuse_elsewhere(self, session: ChatSession) -> None:
        """Raises Conflict for a talk on a chat platform: what is said there, and in which mode, is settled there."""
        if session.conversation_id is None:
            return
        place = (await self.store.get_conversation(session.conversation_id)).place
        if place.platform != DIRECT:
            raise Conflict(user_message="That talk began elsewhere and is continued there. Please start a new one.")
