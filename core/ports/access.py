from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.types import PlatformName

CODE_LIFE = timedelta(days=1)
"""How long a request waits for the operator."""


class AccessState(StrEnum):
    """WAITING: asked and was given a code; ALLOWED and BLOCKED: the operator decided."""

    WAITING = "waiting"
    ALLOWED = "allowed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What the operator said, or has to say, about an account, a chat or a workspace: no name, no text of theirs.

    `external_id` is the platform's id of a person, a chat, a workspace, or a server. `code` is `''` once it was used.
    """

    platform: PlatformName
    workspace_id: str
    external_id: str
    state: AccessState
    changed_at: datetime
    code: str = ""


class AccessStore(Protocol):
    """Who may talk to the bot, by account; it does not go with a person's erasure."""

    async def request_access(self, request: AccessGrant, most: int) -> AccessGrant | None:
        """Keep a WAITING request, or return what is known of that account already; one that is over is
        replaced. None: `most` requests are waiting on that platform."""
        ...

    async def set_access(self, grant: AccessGrant) -> None:
        """Insert or replace, whatever is known of that account."""
        ...

    async def approve_access(self, code: str, now: datetime) -> AccessGrant | None:
        """Allow whoever waits with this code, once; None: unknown, used or over."""
        ...

    async def drop_access(self, platform: PlatformName, workspace_id: str, external_id: str) -> bool:
        """Know nothing of that account any more; whether there was something."""
        ...

    async def list_access(self) -> list[AccessGrant]:
        """All, in the order of their changes."""
        ...
