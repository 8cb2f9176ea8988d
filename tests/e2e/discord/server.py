"""A Discord in this process: simcord's servers, channels and rules beneath the real SDK, and people who write there.

It starts before the adapter does, so that people can write while the bot is away; `adapter.start` then connects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import discord
import simcord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle, UserHandle
from simcord.interactions import base_payload
from simcord.results import InteractionResult, ResponseMessage
from simcord.types import HttpLogEntry

from adapters.platforms.discord import DiscordAdapter, DiscordConfig
from adapters.platforms.discord.catchup import Conversations
from adapters.platforms.discord.client import wanted_intents
from adapters.platforms.discord.commands import CommandSpec, Complete
from adapters.platforms.discord.gateway import Gateway
from core.commands.registry import build_registry

Somebody = UserHandle | MemberActor


class SimulatedGateway(Gateway):
    """simcord has logged the client in already; connecting tells the bot that it is connected."""

    async def start(self) -> None:
        (await self.ready()).dispatch("connect")

    async def _log_in(self) -> discord.Client:
        return self._build(wanted_intents(message_content=True))

    async def _drop(self) -> None:
        self._client = None


class SimulatedDiscord:
    """`async with SimulatedDiscord() as sim`: `sim.adapter` is the real one, `sim.env` is simcord's world.

    The clock of that world begins now and stands still, but for `env.advance_time(seconds)`.
    """

    def __init__(
        self,
        config: DiscordConfig | None = None,
        commands: Sequence[CommandSpec] | None = None,
        *,
        complete: Complete | None = None,
        conversations: Conversations | None = None,
        in_fixture: bool = False,
    ) -> None:
        """`in_fixture`: simcord's plugin gives the test the world's clock (see the fixture `env`)."""
        self._in_fixture = in_fixture
        self._config = config or DiscordConfig(token="a.b.c", retry_pause=0.01)
        self._commands = build_registry().commands if commands is None else commands
        self._complete = complete
        self._requests_before = 0
        self.adapter = DiscordAdapter(
            self._config,
            self._commands,
            complete=complete,
            conversations=conversations,
            gateway=self._connect_to_this,
        )
        self.expects_errors = False
        self.env: simcord.Env
        self.bot: discord.Client
        self._gateway: SimulatedGateway
        self._stack = AsyncExitStack()
        self._members: dict[tuple[int, int], MemberActor] = {}

    async def __aenter__(self) -> SimulatedDiscord:
        self.bot = await self._gateway.ready()
        self.env = simcord.Env(self.bot, settle_timeout=20.0)
        await self.env.start()
        self._stack.push_async_callback(self._end)
        if not self._in_fixture:
            self._stack.enter_context(self.env.time_context())
        await self.env.advance_time((datetime.now(UTC) - self.env.now()).total_seconds())
        self._stack.push_async_callback(self.adapter.stop)
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._stack.__aexit__(*exc_info)

    @property
    def bot_id(self) -> int:
        assert self.bot.user is not None
        return self.bot.user.id

    @property
    def mention(self) -> str:
        """How a message names the bot."""
        return f"<@{self.bot_id}>"

    def person(self, name: str) -> UserHandle:
        return self.env.create_user(name)

    def channel(self, name: str = "general") -> ChannelHandle:
        """A channel of a server that the bot is in."""
        return self.env.create_guild("Harbour").create_text_channel(name)

    def in_server(self, who: UserHandle, guild: GuildHandle, **settings: Any) -> MemberActor:
        key = (who.id, guild.id)
        if key not in self._members:
            self._members[key] = guild.add_member(who, **settings)
        return self._members[key]

    async def say(
        self,
        who: UserHandle,
        text: str,
        channel: ChannelHandle | None = None,
        *,
        reply_to: discord.Message | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> discord.Message:
        """In a channel, a thread, or without one to the bot alone. Returns when the bot has done what it does."""
        if channel is None:
            stored = self.env.backend.store_attachments(who.dm_channel.id, files)
            return await who.send_dm(text, attachments=stored)
        return await self._in(channel, who).send(channel, text, reply_to=reply_to, attachments=files)

    async def command(
        self, who: UserHandle, name: str, channel: ChannelHandle | None = None, /, **options: str
    ) -> InteractionResult:
        """A slash command from the menu, `profile use` for a subcommand."""
        if channel is None:
            result: InteractionResult = await who.slash(name, **options)
            return result
        return await self._in(channel, who).slash(channel, name, **options)

    async def press(
        self,
        who: UserHandle,
        message: discord.Message | ResponseMessage,
        label: str,
        channel: ChannelHandle | None = None,
    ) -> InteractionResult:
        actor: Any = who if channel is None else self._in(channel, who)
        result: InteractionResult = await actor.click(message, label=label)
        return result

    async def ask_elsewhere(self, who: UserHandle, name: str, channel: dict[str, Any]) -> InteractionResult:
        """A slash command of an app that somebody installed for themselves, in a talk that the bot is not in."""
        backend = self.env.backend
        root = backend.find_command(name, None, type=1)
        assert root is not None
        data = {"id": root["id"], "name": name, "type": 1, "options": []}
        record, payload = base_payload(
            backend, type=2, channel_id=who.dm_channel.id, guild_id=None, user_id=who.id, data=data
        )
        backend.emit("INTERACTION_CREATE", {**payload, "context": 2, "channel": channel, "channel_id": channel["id"]})
        await self.env.settle()
        return InteractionResult(self.env, record)

    def thread(
        self, owner: UserHandle, channel: ChannelHandle, name: str = "topic", message: discord.Message | None = None
    ) -> ChannelHandle:
        """A thread in a channel, beginning at a message where one is given."""
        made = self.env.backend.create_thread(channel.id, name, owner.id, message_id=message.id if message else None)
        return ChannelHandle(self.env, channel.guild, made)

    def visible_messages(self, channel: ChannelHandle, viewer: UserHandle | None = None) -> list[str]:
        """What stands in a channel, oldest first; without a viewer also what only one person sees."""
        reader: Somebody | None = viewer
        if viewer is not None and channel.guild is not None:
            reader = self._in(channel, viewer)
        return [message.content for message in channel.history(viewer=reader)]

    async def _end(self) -> None:
        await self.env.shutdown()
        unseen = self.env.errors_since(0)
        if unseen and not self.expects_errors:
            raise ExceptionGroup("the bot raised errors", [error for error in unseen if isinstance(error, Exception)])

    @asynccontextmanager
    async def restarted(self, commands: Sequence[CommandSpec] | None = None) -> AsyncIterator[SimulatedDiscord]:
        """The same world with the bot's process ended and started again, until the end of the block."""
        again = SimulatedDiscord(
            self._config, commands if commands is not None else self._commands, complete=self._complete
        )
        again.bot = await again._gateway.ready()
        self._requests_before = len(self.env.http_requests)
        again._requests_before = self._requests_before
        await self.env.restart_bot(again.bot)
        again.env = self.env
        yield again
        await again.adapter.stop()

    def requests_for(self, word: str) -> list[HttpLogEntry]:
        """The bot's calls since it started."""
        return [item for item in self.env.http_requests[self._requests_before :] if word in item.path]

    def _in(self, channel: ChannelHandle, who: UserHandle) -> MemberActor:
        assert channel.guild is not None
        return self.in_server(who, channel.guild)

    def _connect_to_this(self, config: DiscordConfig, build: Any) -> Gateway:
        self._gateway = SimulatedGateway(config, build)
        return self._gateway
