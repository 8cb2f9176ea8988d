"""Which messages are for the bot: what a message says, completed by what only Discord can tell."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import discord

from adapters.platforms.discord.config import Engagement
from adapters.platforms.discord.errors import SDK_ERRORS, delivering
from adapters.platforms.discord.post import GetClient
from adapters.platforms.discord.translate import BotSelf, translate_message
from core.errors import DeliveryError, DeliveryRefused
from core.messages import InboundMessage

LOOKUP_SECONDS = 3.0
MOST_THREADS = 2_000


class Hearing:
    """Look-ups are made at need and never fatal."""

    def __init__(self, client: GetClient, engagement: Engagement) -> None:
        self._client = client
        self._engagement = engagement
        self._at_own_message: dict[int, bool] = {}

    async def myself(self) -> BotSelf:
        user = (await self._client()).user
        return BotSelf(user.id if user else 0, self._engagement)

    async def heard(self, message: discord.Message) -> InboundMessage | None:
        """None for what is not meant for the bot: it goes no further than this."""
        me = await self.myself()
        if isinstance(message.channel, discord.PartialMessageable) and message.guild is not None:
            await self._complete(message)
        event = translate_message(message, me)
        if event is None or event.sender.is_bot:
            return None
        if event.addressed or await self._is_at_own_message(message.channel, me):
            return replace(event, addressed=True)
        return None

    async def _complete(self, message: discord.Message) -> None:
        """A thread that the cache does not know yet: its channel is part of its place."""
        with suppress(*SDK_ERRORS):
            async with asyncio.timeout(LOOKUP_SECONDS):
                channel = await (await self._client()).fetch_channel(message.channel.id)
                message.channel = channel  # type: ignore[assignment]  # what has messages can be the channel of one

    async def _is_at_own_message(self, channel: object, me: BotSelf) -> bool:
        """Whether a thread starts at a message of the bot, which alone does not make the bot a member of it."""
        if not isinstance(channel, discord.Thread) or me.engagement is not Engagement.MENTION:
            return False
        parent = channel.parent
        if channel.id not in self._at_own_message and isinstance(parent, discord.TextChannel):
            try:
                async with delivering(LOOKUP_SECONDS):
                    author = (await parent.fetch_message(channel.id)).author.id
            except DeliveryRefused:
                author = 0
            except DeliveryError:
                return False
            if len(self._at_own_message) >= MOST_THREADS:
                self._at_own_message.clear()
            self._at_own_message[channel.id] = author == me.id
        return self._at_own_message.get(channel.id, False)
