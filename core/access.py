"""Who may talk to this bot at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.messages import InboundMessage
from core.types import PlatformName


class AccessMode(StrEnum):
    OPEN = "open"
    ALLOWLIST = "allowlist"
    PAIRING = "pairing"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """`allowed` holds external ids of people and ids of workspaces, servers and chats."""

    mode: AccessMode = AccessMode.OPEN
    allowed: frozenset[str] = frozenset()


class AccessControl:
    """A platform without a rule is open (the terminal, whose sender is the operator)."""

    def __init__(self, rules: Mapping[PlatformName, AccessRule]) -> None:
        self._rules = rules

    async def admits(self, message: InboundMessage) -> bool:
        rule = self._rules.get(message.place.platform)
        if rule is None or rule.mode is AccessMode.OPEN:
            return True
        place = message.place
        return bool(rule.allowed & {message.sender.external_id, place.workspace_id, place.chat_id})
