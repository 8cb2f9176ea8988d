"""Who may talk to this bot at all: everybody, those listed, or those whom the operator lets in."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from core.errors import AccessDenied, MemoryChatError
from core.messages import InboundMessage, Reply, ReplyAddress, ReplyKind, event_key
from core.ports import AccessGrant, AccessState, Clock, Store
from core.types import Audience, PlatformName, new_id

log = logging.getLogger(__name__)

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""No letter or digit that is easily taken for another."""
CODE_LENGTH = 8
MOST_WAITING = 200
"""Requests that wait on one platform; strangers beyond them hear that the bot is private, without a code."""
LINE_PAUSE = timedelta(hours=12)
"""A stranger is told once in this time; the rest of what they write is silence."""
FRESH = 2.0
"""Seconds after which a block or a revocation, made by another process, counts at the latest."""


class AccessMode(StrEnum):
    OPEN = "open"
    ALLOWLIST = "allowlist"
    PAIRING = "pairing"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """`allowed` holds external ids of people and ids of workspaces, servers and chats."""

    mode: AccessMode = AccessMode.OPEN
    allowed: frozenset[str] = frozenset()


Say = Callable[[ReplyAddress, Reply, str], Awaitable[None]]


class AccessControl:
    """A platform without a rule is open (the terminal, whose sender is the operator). Whom the operator blocked is
    refused in silence, whatever the rule; whom they let in is admitted beside the list."""

    def __init__(self, rules: Mapping[PlatformName, AccessRule], store: Store, clock: Clock, say: Say) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._say = say
        self._grants: dict[tuple[PlatformName, str], AccessState] = {}
        self._read_at = float("-inf")
        self._telling: set[asyncio.Task[None]] = set()

    async def admits(self, message: InboundMessage) -> bool:
        """Whether to accept; a stranger is told in the background. Raises StoreError."""
        place = message.place
        rule = self._rules.get(place.platform)
        if rule is None:
            return True
        ids = {message.sender.external_id, place.chat_id, place.workspace_id, message.server_id} - {""}
        states = await self._states(place.platform, ids, older=FRESH)
        if AccessState.BLOCKED not in states and not self._admitted(rule, ids, states):
            # Let in a moment ago, perhaps: nobody is refused on an old reading.
            states = await self._states(place.platform, ids, older=0)
        if AccessState.BLOCKED in states:
            return False
        if self._admitted(rule, ids, states):
            return True
        task = asyncio.create_task(self._tell(message, rule))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return False

    async def settle(self) -> None:
        """Wait for what is being told."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _admitted(self, rule: AccessRule, ids: set[str], states: set[AccessState]) -> bool:
        return rule.mode is AccessMode.OPEN or bool(rule.allowed & ids) or AccessState.ALLOWED in states

    async def _states(self, platform: PlatformName, ids: set[str], *, older: float) -> set[AccessState]:
        now = self._clock.monotonic()
        if now - self._read_at >= older:
            grants = await self._store.list_access()
            self._grants = {(grant.platform, grant.external_id): grant.state for grant in grants}
            self._read_at = now
        return {self._grants[platform, item] for item in ids if (platform, item) in self._grants}

    async def _tell(self, message: InboundMessage, rule: AccessRule) -> None:
        try:
            text = await self._line(message, rule)
            if text:
                reply = Reply(text=text, kind=ReplyKind.NOTICE, audience=Audience.ASKER)
                await self._say(ReplyAddress.of(message), reply, new_id())
        except MemoryChatError as error:
            log.warning("a stranger was not told: %s", type(error).__name__)

    async def _line(self, message: InboundMessage, rule: AccessRule) -> str:
        """One polite line, `''` when it was said lately."""
        now, place = self._clock.now(), message.place
        who = event_key(place.platform, place.workspace_id, message.sender.external_id)
        if not await self._store.record_notice(f"stranger:{who}", now, now - LINE_PAUSE):
            return ""
        log.info("a stranger was refused on %s", place.platform)
        if rule.mode is not AccessMode.PAIRING:
            return AccessDenied.user_message
        request = AccessGrant(
            place.platform, place.workspace_id, message.sender.external_id, AccessState.WAITING, now, new_code()
        )
        known = await self._store.request_access(request, MOST_WAITING)
        if known is None or known.state is not AccessState.WAITING:
            return AccessDenied.user_message
        return (
            f"{AccessDenied.user_message} Your code is `{shown_code(known.code)}`: give it to them within a day, and "
            "write again once they have approved it."
        )


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def shown_code(code: str) -> str:
    """With a hyphen in the middle, for eyes."""
    return f"{code[:4]}-{code[4:]}" if code else ""


def typed_code(text: str) -> str:
    """What somebody typed, as it is stored."""
    return "".join(character for character in text.upper() if character.isalnum())
