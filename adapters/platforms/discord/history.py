"""Reading back what stands in Discord already: a thread the bot is called into, and what came while it was away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import takewhile

import discord

from adapters.platforms.discord.errors import delivering
from adapters.platforms.discord.post import GetClient
from adapters.platforms.discord.translate import BotSelf, channel_id_of, is_mentioned
from adapters.platforms.discord.words import text_of
from core.messages import ReplyAddress
from core.types import Place

MOST = 1_000
"""Messages of one channel that are read back; of more than these the newest are."""


class History:
    """Raises DeliveryError where Discord does not let the bot read."""

    def __init__(self, client: GetClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    async def thread(self, address: ReplyAddress, me: BotSelf, limit: int) -> list[tuple[str, str]]:
        """(speaker, text) of what was said in a thread before the bot was first called into it, oldest first; at most
        the last `limit` messages before the one that is answered are looked at.

        What was said to it since then it was told under a mode, or was to forget: that never comes back this way.
        """
        before = discord.Object(int(address.reply_to)) if address.reply_to else None
        async with delivering(self._seconds):
            channel = await self._channel(address.place)
            if channel is None:
                return []
            messages = [message async for message in channel.history(limit=limit, before=before)]
        uncalled = takewhile(lambda message: not _concerns(message, me), map(_opened, reversed(messages)))
        said = [(message.author.display_name, text_of(message, me.id)) for message in uncalled]
        return [(speaker, text) for speaker, text in said if text]

    async def since(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[discord.Message]:
        """What was written after `cursor`, but not before `since`, oldest first. Nothing where the newest is known."""
        after = max(int(cursor or 0), discord.utils.time_snowflake(since))
        found: list[discord.Message] = []
        async with delivering(self._seconds):
            channel = await self._channel(place)
            if channel is not None and not _has_nothing_after(channel, after):
                async for message in channel.history(limit=MOST, oldest_first=False):
                    if message.id <= after:
                        break
                    found.append(message)
        for message in reversed(found):
            yield message

    async def _channel(self, place: Place) -> discord.abc.Messageable | None:
        """The real one, because its messages take their server and thread from it."""
        client, channel_id = await self._client(), channel_id_of(place)
        channel = client.get_channel(channel_id) or await client.fetch_channel(channel_id)
        return channel if isinstance(channel, discord.abc.Messageable) else None


def _has_nothing_after(channel: discord.abc.Messageable, message_id: int) -> bool:
    """Whether the gateway told so, which says it of a server's channels, not of DMs."""
    newest = getattr(channel, "last_message_id", None)
    return newest is not None and newest <= message_id


def _opened(message: discord.Message) -> discord.Message:
    """A thread opens with a note that holds the message it starts at."""
    if message.type is discord.MessageType.thread_starter_message and message.reference:
        resolved = message.reference.resolved
        return resolved if isinstance(resolved, discord.Message) else message
    return message


def _concerns(message: discord.Message, me: BotSelf) -> bool:
    return message.author.id == me.id or is_mentioned(message, me)
