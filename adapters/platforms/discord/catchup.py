"""After a gap: which conversations there are, and reading each back once before anything new of it is taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import discord

from adapters.platforms.discord.errors import SDK_ERRORS
from adapters.platforms.discord.post import GetClient
from adapters.platforms.discord.translate import channel_id_of, place_of
from core.errors import ConfigurationError, DeliveryError, DeliveryRefused, StoreError
from core.locks import KeyedLocks
from core.types import Place

log = logging.getLogger(__name__)

TRIES = 3
MOST_UNKNOWN = 50
"""Channels without any talk yet that are looked through after a start, those where something was written last."""

Conversations = Callable[[], Awaitable[Sequence[tuple[Place, str]]]]
"""Every conversation with its cursor: the id of the newest message that is stored, `''` where none is."""


class CatchUp:
    """`read` hands what was written after a cursor to the core. `order` serialises the events of each channel."""

    def __init__(
        self,
        conversations: Conversations | None,
        read: Callable[[Place, str], Awaitable[None]],
        client: GetClient,
        order: KeyedLocks,
        retry_pause: float,
    ) -> None:
        self._conversations = conversations
        self._read = read
        self._client = client
        self._order = order
        self._retry_pause = retry_pause
        self._behind: dict[int, tuple[Place, str]] = {}
        self._is_known = asyncio.Event()
        self._is_known.set()
        self._task: asyncio.Task[None] | None = None

    def begin(self, *, is_resumed: bool) -> None:
        """From now on nothing of a channel is taken before it is read back. Where Discord itself sent what was missed
        (`is_resumed`) nobody can have come to the bot for the first time."""
        if self._conversations is not None:
            self.stop()
            self._is_known.clear()
            self._task = asyncio.create_task(self._all(self._conversations, everywhere=not is_resumed))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._is_known.set()

    async def channel(self, channel_id: int) -> None:
        """Read one channel back if that is still to do. Its lock is held. A failure holds up nothing that is new."""
        await self._is_known.wait()
        place, cursor = self._behind.pop(channel_id, (None, ""))
        if place is not None:
            await self._read_with_retries(place, cursor)

    async def _all(self, conversations: Conversations, *, everywhere: bool) -> None:
        known = await self._load(conversations)
        self._behind = {channel_id_of(place): (place, cursor) for place, cursor in known if cursor}
        self._is_known.set()
        try:
            # With its cache filled the client knows which channels have nothing new.
            client = await self._client()
            await client.wait_until_ready()
            if everywhere:
                self._behind |= newly_written(client, known)
        except (*SDK_ERRORS, ConfigurationError) as error:
            log.info("reading back without the cache: %s", type(error).__name__)
        while self._behind:
            channel_id = next(iter(self._behind))
            async with self._order.holding(channel_id):
                await self.channel(channel_id)

    async def _load(self, conversations: Conversations) -> Sequence[tuple[Place, str]]:
        """Until the store can be read: before that nothing could be stored either."""
        while True:
            try:
                return await conversations()
            except StoreError as error:
                log.error("the conversations cannot be read: %s", error.code)
                await asyncio.sleep(self._retry_pause)

    async def _read_with_retries(self, place: Place, cursor: str) -> None:
        for attempt in range(TRIES):
            try:
                await self._read(place, cursor)
            except DeliveryError as error:
                log.warning("a channel was not read back: %s %s", type(error).__name__, error)
                if isinstance(error, DeliveryRefused):
                    return
                await asyncio.sleep(self._retry_pause * 2**attempt)
            except Exception as error:
                log.error("a channel was not read back: %s", type(error).__name__, exc_info=error)
                return
            else:
                return


def newly_written(client: discord.Client, known: Sequence[tuple[Place, str]]) -> dict[int, tuple[Place, str]]:
    """Channels of servers where nobody has talked with the bot yet and something was written since it last heard
    anything: it may have been called there. Nothing before the first talk of all, when nothing was missed.

    Direct messages of people who never wrote are not among them, because Discord does not list those to bots.
    """
    newest = max((int(cursor) for _, cursor in known if cursor), default=0)
    talked_in = {channel_id_of(place) for place, _ in known}
    found = [
        (channel.last_message_id or 0, channel.id, place_of(channel))
        for guild in client.guilds
        for channel in _channels(guild)
        if newest and channel.id not in talked_in and (channel.last_message_id or 0) > newest
        if channel.permissions_for(guild.me).read_message_history
    ]
    found.sort(key=lambda item: item[0], reverse=True)
    return {channel: (place, str(newest)) for _, channel, place in found[:MOST_UNKNOWN] if place is not None}


def _channels(guild: discord.Guild) -> list[discord.TextChannel | discord.Thread]:
    return [*guild.text_channels, *guild.threads]
