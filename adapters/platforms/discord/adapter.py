"""Discord as a `PlatformAdapter`: receiving by the gateway, answering by the REST API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import discord

from adapters.platforms.discord.catchup import Conversations
from adapters.platforms.discord.client import DiscordClient
from adapters.platforms.discord.commands import CommandSpec, Complete
from adapters.platforms.discord.config import CAPABILITIES, PLATFORM, DiscordConfig
from adapters.platforms.discord.errors import delivering
from adapters.platforms.discord.files import fetch
from adapters.platforms.discord.gateway import BuildClient, Gateway
from adapters.platforms.discord.hearing import Hearing
from adapters.platforms.discord.history import History
from adapters.platforms.discord.intake import Intake
from adapters.platforms.discord.interactions import Interactions
from adapters.platforms.discord.outbound import Outbound
from adapters.platforms.discord.render import render
from adapters.platforms.discord.stream import DiscordStream
from adapters.platforms.discord.translate import channel_id_of
from core.capabilities import PlatformCapabilities
from core.errors import DeliveryError
from core.messages import Attachment, InboundMessage, Reply, ReplyAddress
from core.ports import Acceptor
from core.types import Place, PlatformName, TurnId

log = logging.getLogger(__name__)

TYPING_SECONDS = 5.0
DRAIN_SECONDS = 2.0


class DiscordAdapter:
    """Also `SupportsStreaming`, `SupportsEdit`, `SupportsParts`, `SupportsTyping`, `SupportsThreadHistory`,
    `SupportsBacklog` and `SupportsFetch`. Sending alone needs no `start`.

    `commands` fill Discord's menu, with values that `complete` gives; `conversations` are read back after each gap.
    `gateway` is how one connects: another one stands in for it where there is no network.
    """

    def __init__(
        self,
        config: DiscordConfig,
        commands: Sequence[CommandSpec] = (),
        *,
        complete: Complete | None = None,
        conversations: Conversations | None = None,
        gateway: Callable[[DiscordConfig, BuildClient], Gateway] = Gateway,
    ) -> None:
        self._config = config
        self._gateway = gateway(config, self._build)
        self._commands = commands
        self._complete = complete
        interactions = Interactions()
        self._history = History(self._gateway.ready, config.request_timeout)
        self._hearing = Hearing(self._gateway.ready, config.engagement)
        self._intake = Intake(config, self._gateway.ready, self._hearing, interactions, self._history, conversations)
        self._outbound = Outbound(self._gateway.ready, interactions, config.request_timeout)
        self._sending: set[asyncio.Task[object]] = set()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> PlatformName:
        return PLATFORM

    @property
    def capabilities(self) -> PlatformCapabilities:
        return CAPABILITIES

    async def start(self, accept: Acceptor) -> None:
        """Raises ConfigurationError for a token that Discord does not know. A Discord that cannot be reached is tried
        again in the background."""
        self._intake.accept = accept
        await self._gateway.start()

    async def stop(self) -> None:
        try:
            await self._intake.stop()
            for task in self._background:
                task.cancel()
            if self._sending:
                await asyncio.wait(self._sending, timeout=DRAIN_SECONDS)
            await asyncio.gather(*self._background, return_exceptions=True)
        finally:
            await self._gateway.stop()

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            return await self._outbound.send(address, reply, nonce, known_ids)
        finally:
            self._sending.discard(task)

    async def edit(self, address: ReplyAddress, message_id: str, reply: Reply) -> None:
        for part in render(reply)[:1]:
            await self._outbound.target(address).edit(message_id, part)

    def parts(self, reply: Reply) -> int:
        return len(render(reply))

    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> DiscordStream:
        return DiscordStream(self._outbound.target(address), nonce)

    async def typing(self, address: ReplyAddress) -> None:
        """In the background: an answer never waits for its announcement. An interaction shows its own."""
        if not address.handle:
            task = asyncio.create_task(self._type(channel_id_of(address.place)))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def thread_history(self, address: ReplyAddress, *, limit: int) -> list[tuple[str, str]]:
        async with delivering(self._config.request_timeout):
            me = await self._hearing.myself()
        return await self._history.thread(address, me, limit)

    async def backlog(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[InboundMessage]:
        async for message in self._intake.backlog(place, cursor, since):
            yield message

    async def fetch(self, attachment: Attachment, *, max_bytes: int) -> bytes:
        return await fetch(self._gateway.ready, attachment, max_bytes=max_bytes, seconds=self._config.request_timeout)

    def _build(self, intents: discord.Intents) -> discord.Client:
        return DiscordClient(self._intake, self._commands, self._complete, intents)

    async def _type(self, channel_id: int) -> None:
        try:
            async with delivering(TYPING_SECONDS):
                await (await self._gateway.ready()).get_partial_messageable(channel_id).typing()
        except DeliveryError as error:
            log.debug("typing was not shown: %s", error)
