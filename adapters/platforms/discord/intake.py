"""From the SDK's events to the core: in the order of each channel, and each one until it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import discord

from adapters.platforms.discord.catchup import CatchUp, Conversations
from adapters.platforms.discord.config import DiscordConfig
from adapters.platforms.discord.errors import SDK_ERRORS
from adapters.platforms.discord.hearing import LOOKUP_SECONDS, Hearing
from adapters.platforms.discord.history import History
from adapters.platforms.discord.interactions import Interactions
from adapters.platforms.discord.post import GetClient
from adapters.platforms.discord.render import Part
from adapters.platforms.discord.translate import (
    translate_delete,
    translate_edit,
    translate_interaction,
)
from core.errors import (
    AccessDenied,
    ConfigurationError,
    MemoryChatError,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from core.locks import KeyedLocks
from core.messages import Acceptance, InboundEvent, InboundMessage
from core.ports import Acceptor
from core.types import Place

log = logging.getLogger(__name__)

ACK_SECONDS = 2.5
"""Discord waits three for the first response to an interaction."""

LONGEST_PAUSE = 30.0
DRAIN_SECONDS = 5.0
TRIES = 5
"""How often one event is tried that the store refuses without being out of order itself."""

OUT_OF_ORDER = (StoreUnavailable, StoreFull, StoreReadOnly)

NOT_HERE = "I cannot answer here. Please write to me directly."
DIRECTLY = "I answer you directly."
STOPPING = "I am just restarting. Please try that again in a moment."


class Intake:
    """The client's `Listener`. `accept` is the core's; None: nothing is taken (before the start, after the stop)."""

    def __init__(
        self,
        config: DiscordConfig,
        client: GetClient,
        hearing: Hearing,
        interactions: Interactions,
        history: History,
        conversations: Conversations | None,
    ) -> None:
        self.accept: Acceptor | None = None
        self._config = config
        self._client = client
        self._hearing = hearing
        self._interactions = interactions
        self._history = history
        self._order = KeyedLocks()
        self._catch_up = CatchUp(conversations, self._read, client, self._order, config.retry_pause)
        self._is_stopping = False
        self._under_way: set[asyncio.Task[object]] = set()
        self._asleep: set[asyncio.Task[object]] = set()

    def connected(self, *, is_resumed: bool) -> None:
        self._catch_up.begin(is_resumed=is_resumed)

    async def message(self, message: discord.Message) -> None:
        async with self._in_turn(message.channel.id):
            event = await self._hearing.heard(message) if self.accept else None
            if event is not None:
                await self._store(event)

    async def edited(self, message: discord.Message) -> None:
        async with self._in_turn(message.channel.id):
            event = translate_edit(message, await self._hearing.myself()) if self.accept else None
            if event is not None:
                await self._store(event)

    async def deleted(self, message_ids: Sequence[int], channel_id: int) -> None:
        async with self._in_turn(channel_id):
            channel = (await self._client()).get_channel(channel_id) if self.accept else None
            for message_id in message_ids:
                await self._store(translate_delete(message_id, channel, channel_id))

    async def asked(self, interaction: discord.Interaction, command: str) -> None:
        """A slash command or a press. Discord sends neither again, so whoever waits for it is told when it failed."""
        is_elsewhere = _is_elsewhere(interaction)
        handle = await self._defer(interaction, ephemeral=is_elsewhere or interaction.guild_id is not None)
        home = await self._home(interaction.user) if is_elsewhere else ""
        event = translate_interaction(interaction, command, handle=handle, home=home)
        if event is None or (is_elsewhere and not home):
            await self._give_back(handle, NOT_HERE)
            return
        async with self._in_turn(interaction.channel_id or 0):
            await self._take(event)

    async def backlog(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[InboundMessage]:
        """What was written for the bot. Raises DeliveryError."""
        async for message in self._history.since(place, cursor, since):
            event = await self._hearing.heard(message)
            if event is not None:
                yield event

    async def stop(self) -> None:
        """Take nothing more; what is not stored by then is read back next time."""
        self._is_stopping = True
        self._catch_up.stop()
        for task in self._asleep:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_SECONDS)
        self.accept = None

    @asynccontextmanager
    async def _in_turn(self, channel_id: int) -> AsyncIterator[None]:
        """In the order of arrival, behind what was missed before."""
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            async with self._order.holding(channel_id):
                await self._catch_up.channel(channel_id)
                yield
        finally:
            self._under_way.discard(task)

    async def _read(self, place: Place, cursor: str) -> None:
        since = discord.utils.utcnow() - self._config.read_back
        async for event in self.backlog(place, cursor, since):
            await self._store(event)

    async def _store(self, event: InboundEvent) -> None:
        """Until the core has it, because Discord does not send it again; what comes after it in its channel waits."""
        pause, tries = self._config.retry_pause, 0
        while self.accept is not None:
            try:
                await self.accept(event)
                return
            except StoreError as error:
                log.error("not stored yet: %s", error.code)
                tries += 1
                if self._is_stopping or (tries == TRIES and not isinstance(error, OUT_OF_ORDER)):
                    return
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _sleep(self, seconds: float) -> None:
        """Ended by the stop."""
        task = asyncio.current_task()
        assert task is not None
        self._asleep.add(task)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._asleep.discard(task)

    async def _take(self, event: InboundMessage) -> None:
        """Hand a command to the core, and end the waiting where no answer will come."""
        if self.accept is None or self._is_stopping:
            await self._give_back(event.handle, STOPPING)
            return
        try:
            acceptance = await self.accept(event)
        except Exception as error:
            log.error("interaction not stored: %s", type(error).__name__, exc_info=error)
            told = error if isinstance(error, MemoryChatError) else MemoryChatError()
            await self._give_back(event.handle, told.user_message)
            return
        if acceptance is Acceptance.REFUSED:
            await self._give_back(event.handle, AccessDenied.user_message)
        elif acceptance is Acceptance.IGNORED:
            await self._give_back(event.handle, "")

    async def _defer(self, interaction: discord.Interaction, *, ephemeral: bool) -> str:
        """The handle; `''` when it came too late, Discord did not take it or another process answers, so that the
        answer goes another way."""
        try:
            async with asyncio.timeout(ACK_SECONDS):
                if not self._config.answers_here:
                    await interaction.response.send_message(DIRECTLY, ephemeral=True)
                    return ""
                await interaction.response.defer(ephemeral=ephemeral, thinking=True)
        except SDK_ERRORS as error:
            log.warning("an interaction was not acknowledged: %s", type(error).__name__)
            return ""
        return self._interactions.open(interaction, ephemeral=ephemeral)

    async def _home(self, user: discord.User | discord.Member) -> str:
        with suppress(*SDK_ERRORS, ConfigurationError):
            async with asyncio.timeout(LOOKUP_SECONDS):
                return str((await (await self._client()).create_dm(user)).id)
        return ""

    async def _give_back(self, handle: str, text: str) -> None:
        opened = self._interactions.find(handle)
        if opened is None or opened.answered:
            return
        self._interactions.close(handle)
        with suppress(*SDK_ERRORS):
            if text:
                await opened.answer(Part(text))
            else:
                await opened.interaction.delete_original_response()


def _is_elsewhere(interaction: discord.Interaction) -> bool:
    """In a talk among others, where somebody brought the bot as an app of their own."""
    among_others = interaction.context.private_channel and not interaction.context.dm_channel
    return among_others or isinstance(interaction.channel, discord.GroupChannel)
