"""What the bot knows about people, channels and threads: asked at need, kept for a while, never fatal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapters.platforms.payload import part_of, parts_of, text_of
from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.errors import SDK_ERRORS, delivering, error_code
from adapters.platforms.slack.translate import BotSelf

log = logging.getLogger(__name__)

LOOKUP_DEADLINE = 0.8
"""Seconds for one look-up; at most three follow each other, and Slack waits three seconds for its acknowledgement."""

KEPT_FOR = 600.0
FAILURE_KEPT_FOR = 15.0
FORGOTTEN_ABOVE = 4_096

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Answers kept for `seconds`, the oldest dropped first when there are too many."""

    def __init__(self, seconds: float = KEPT_FOR, size: int = FORGOTTEN_ABOVE) -> None:
        self._seconds = seconds
        self._size = size
        self._items: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        until, value = self._items.get(key, (0.0, None))
        return value if until > time.monotonic() else None

    def put(self, key: Hashable, value: Value, seconds: float | None = None) -> None:
        self._items[key] = (time.monotonic() + (self._seconds if seconds is None else seconds), value)
        self._items.move_to_end(key)
        while len(self._items) > self._size:
            self._items.popitem(last=False)

    async def get_or(self, key: Hashable, ask: Callable[[], Awaitable[Value]], otherwise: Value) -> Value:
        """The kept answer, else a new one; `otherwise` when Slack gives none in time, and then for a short while, so
        that a slow Slack does not make every message slow."""
        known = self.get(key)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(LOOKUP_DEADLINE):
                value = await ask()
        except SDK_ERRORS as error:
            log.info("look-up failed: %s", error_code(error) or type(error).__name__)
            self.put(key, otherwise, FAILURE_KEPT_FOR)
            return otherwise
        self.put(key, value)
        return value


@dataclass(frozen=True, slots=True)
class Person:
    """`language` is an ISO 639-1 code; `is_admin` holds for owners too."""

    name: str = ""
    is_admin: bool = False
    language: str | None = None


NOBODY = Person()


class Workspace:
    """Look-ups in one workspace. Each answers something usable when Slack does not."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._people: Cache[Person] = Cache()
        self._creators: Cache[str] = Cache()
        self._directs: Cache[str] = Cache(seconds=86_400)
        self._threads: Cache[bool] = Cache(seconds=86_400)

    async def person(self, user_id: str) -> Person:
        async def ask() -> Person:
            response = await self._client.web.users_info(user=user_id, include_locale=True)
            user = part_of({"user": response.get("user")}, "user")
            profile = part_of(user, "profile")
            return Person(
                name=text_of(profile, "display_name", "real_name") or text_of(user, "real_name", "name"),
                is_admin=any(user.get(flag) is True for flag in ("is_admin", "is_owner", "is_primary_owner")),
                language=text_of(user, "locale").partition("-")[0].lower() or None,
            )

        return await self._people.get_or(user_id, ask, NOBODY)

    async def names(self, user_ids: Iterable[str]) -> dict[str, str]:
        """The names of those that are known; the others are left out."""
        ids = list(user_ids)
        people = await asyncio.gather(*(self.person(user_id) for user_id in ids))
        return {user_id: person.name for user_id, person in zip(ids, people, strict=True) if person.name}

    async def is_manager(self, channel: str, user_id: str) -> bool:
        """Whether somebody administers the workspace or made the channel."""

        async def ask() -> str:
            response = await self._client.web.conversations_info(channel=channel)
            return text_of(part_of({"channel": response.get("channel")}, "channel"), "creator")

        person, creator = await asyncio.gather(self.person(user_id), self._creators.get_or(channel, ask, ""))
        return person.is_admin or creator == user_id

    async def direct_channel(self, user_id: str) -> str:
        """The channel of the bot's own talk with somebody, `''` when Slack does not say."""
        return await self._directs.get_or(user_id, lambda: self._open_direct(user_id), "")

    async def open_direct(self, user_id: str) -> str:
        """The same for a message that has to go there. Raises DeliveryError."""
        channel = self._directs.get(user_id)
        if not channel:
            with delivering():
                channel = await self._open_direct(user_id)
            self._directs.put(user_id, channel)
        return channel

    async def _open_direct(self, user_id: str) -> str:
        response = await self._client.web.conversations_open(users=user_id)
        return text_of(part_of({"channel": response.get("channel")}, "channel"), "id")

    def join_thread(self, channel: str, thread: str) -> None:
        """From now on the bot takes part in that thread."""
        self._threads.put((channel, thread), True)

    async def is_in_thread(self, channel: str, thread: str, me: BotSelf) -> bool:
        """Whether the bot wrote in a thread or was mentioned at its root: what it knew before a restart Slack knows."""

        async def ask() -> bool:
            response = await self._client.web.conversations_replies(channel=channel, ts=thread, limit=200)
            messages = parts_of({"messages": response.get("messages")}, "messages")
            wrote = any(text_of(message, "user") == me.user_id for message in messages)
            return wrote or any(f"<@{me.user_id}" in text_of(message, "text") for message in messages[:1])

        return await self._threads.get_or((channel, thread), ask, False)
