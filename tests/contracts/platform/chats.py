"""Anna's private chat with the bot, on each platform: the real adapter on its emulator, the whole engine behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from adapters.clock import ManualClock
from adapters.memory.embedder import Embedder
from adapters.platforms.console import ConsoleAdapter
from adapters.platforms.console.piped import PipedFace
from adapters.platforms.slack import SlackAdapter, SlackConfig
from adapters.platforms.telegram import Pace, TelegramAdapter, TelegramConfig
from core.access import AccessRule
from core.commands.registry import build_registry
from core.errors import StoreUnavailable
from core.messages import Acceptance, InboundEvent, InboundMessage
from core.policy import EnginePolicy
from core.ports import PlatformAdapter
from core.types import PlatformName
from tests.e2e.discord.server import SimulatedDiscord
from tests.e2e.slack import model as slack_model
from tests.e2e.slack.server import SlackServer
from tests.e2e.telegram.server import ANNA, ROOM, TelegramServer
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.world import Town, world

UNHURRIED = Pace(chat=(1000, 1.0), group=(1000, 1.0), overall=(10_000, 1.0))


@dataclass
class Chat:
    """What Anna can do, and what she sees. `Ref` names one of her messages to the emulator.

    `hidden_ack`: the next message is stored, but its platform never hears so; `redeliver` makes it send that again.
    """

    adapter: PlatformAdapter
    model: ScriptedModel = field(default_factory=ScriptedModel)
    heard: list[InboundMessage] = field(default_factory=list)
    hidden_ack: bool = False
    acknowledges: ClassVar[bool] = False
    """Whether the platform hears that a message was stored, and sends it again when not."""
    town: Town = field(init=False)

    async def say(self, text: str) -> Any:
        raise NotImplementedError

    async def command(self, text: str) -> None:
        """As a slash command of the platform, where it has them."""
        await self.say(text)

    async def press(self, label: str) -> None:
        raise NotImplementedError

    async def edit(self, ref: Any, text: str) -> None:
        raise NotImplementedError

    async def delete(self, ref: Any) -> None:
        raise NotImplementedError

    async def redeliver(self) -> None:
        raise NotImplementedError

    async def command_in_room(self, text: str) -> None:
        raise NotImplementedError

    def in_room(self) -> list[str]:
        """What everybody in the room can read of the bot."""
        raise NotImplementedError

    def community(self) -> str:
        """The id by which an operator lets the whole room's community in: a workspace, a group, a server."""
        raise NotImplementedError

    def visible(self) -> list[str]:
        """What stands in the private chat from the bot, oldest first."""
        raise NotImplementedError

    def growing(self) -> str:
        """The end of what she sees while a reply is being made."""
        return self.visible()[-1]

    def alone(self) -> list[str]:
        """What Anna alone can read of the answers to her commands in a room."""
        return self.visible()

    async def accept(self, event: InboundEvent) -> Acceptance:
        acceptance = await self.town.engine.handle(event)
        if isinstance(event, InboundMessage):
            self.heard.append(event)
        if self.hidden_ack:
            self.hidden_ack = False
            raise StoreUnavailable("the process died before it could say so")
        return acceptance

    async def answers(self, count: int) -> list[str]:
        """All texts, once so many stand there and nothing more is on its way."""
        await eventually(lambda: len(self.visible()) >= count)
        await self.settled()
        return self.visible()

    async def settled(self) -> None:
        await self.town.queue.drain()

    async def asks(self, text: str) -> str:
        """Say it, and wait for the answer to stand there, whole."""
        known = len(self.heard)
        await self.say(text)
        await eventually(lambda: len(self.heard) > known)
        await self.settled()
        return self.visible()[-1]


@dataclass
class TelegramChat(Chat):
    acknowledges = True
    server: TelegramServer = field(default_factory=TelegramServer)

    async def say(self, text: str) -> Any:
        return self.server.say(ANNA, text)

    async def press(self, label: str) -> None:
        shown = next(button for button in reversed(self.server.buttons(ANNA)) if button.endswith(label))
        self.server.press(ANNA, shown)

    async def edit(self, ref: Any, text: str) -> None:
        self.server.change(ref, text)

    async def redeliver(self) -> None:
        """An update that was not confirmed comes again by itself."""

    async def command_in_room(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        self.server.say(ANNA, f"{name}@memory_bot {rest}".strip(), chat=ROOM)

    def in_room(self) -> list[str]:
        return self.server.visible_messages(ROOM)

    def community(self) -> str:
        return str(ROOM)

    def visible(self) -> list[str]:
        return self.server.visible_messages(ANNA)

    def growing(self) -> str:
        return str(self.server.drafts[-1]["text"]) if self.server.drafts else ""


@dataclass
class SlackChat(Chat):
    acknowledges = True
    server: SlackServer = field(default_factory=SlackServer)

    async def say(self, text: str) -> Any:
        return self.server.say(slack_model.ANNA, text)

    async def command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        self.server.command(slack_model.ANNA, name, rest)

    async def press(self, label: str) -> None:
        channel = slack_model.DM[slack_model.ANNA]
        self.server.press(slack_model.ANNA, self.server.last(channel), label, channel=channel)

    async def edit(self, ref: Any, text: str) -> None:
        self.server.edit(slack_model.DM[slack_model.ANNA], ref, text)

    async def delete(self, ref: Any) -> None:
        self.server.delete(slack_model.DM[slack_model.ANNA], ref)

    async def redeliver(self) -> None:
        await self.server.socket.redeliver()

    async def command_in_room(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        self.server.command(slack_model.ANNA, name, rest, channel=slack_model.TEAM_ROOM)

    def in_room(self) -> list[str]:
        return self.server.visible_messages(slack_model.TEAM_ROOM, slack_model.BEN)

    def community(self) -> str:
        return slack_model.TEAM

    def visible(self) -> list[str]:
        return self.server.visible_messages(slack_model.DM[slack_model.ANNA], slack_model.ANNA)

    def alone(self) -> list[str]:
        everything = self.server.visible_messages(slack_model.TEAM_ROOM, slack_model.ANNA)
        return [text for text in everything if text not in self.in_room()]


@dataclass
class DiscordChat(Chat):
    sim: SimulatedDiscord = field(default_factory=SimulatedDiscord)

    def __post_init__(self) -> None:
        self.anna = self.sim.person("anna")
        self.ben = self.sim.person("ben")
        self.room = self.sim.channel("kitchen")
        self.sim.in_server(self.ben, self.room.guild)
        self.sim.in_server(self.anna, self.room.guild)

    async def say(self, text: str) -> Any:
        # Not the simulator's own way: it waits for the bot, which in some stories waits for the next message.
        message = self.sim.env.backend.create_message(self._dm().id, self.anna.id, text)
        self.sim.env._mark_mutation()
        return message

    async def command(self, text: str) -> None:
        await self.sim.command(self.anna, text.removeprefix("/"))

    async def press(self, label: str) -> None:
        message = next(item for item in reversed(self._dm().history()) if item.author.id == self.sim.bot_id)
        await self.sim.press(self.anna, message, label)

    async def edit(self, ref: Any, text: str) -> None:
        self.sim.env.backend.edit_message(ref.channel_id, ref.id, {"content": text})
        self.sim.env._mark_mutation()

    async def delete(self, ref: Any) -> None:
        self.sim.env.backend.delete_message(ref.channel_id, ref.id)
        self.sim.env._mark_mutation()

    async def redeliver(self) -> None:
        """As reading its history back after a gap gives it once more."""
        await self.accept(self.heard[-1])

    async def command_in_room(self, text: str) -> None:
        name, _, rest = text.removeprefix("/").partition(" ")
        if name == "ask":
            await self.sim.command(self.anna, name, self.room, text=rest)
        else:
            await self.sim.command(self.anna, f"{name} {rest}".strip(), self.room)

    def in_room(self) -> list[str]:
        return self._of_bot(self.room.history(viewer=self.sim.in_server(self.ben, self.room.guild)))

    def community(self) -> str:
        return str(self.room.guild.id)

    def visible(self) -> list[str]:
        return self._of_bot(self._dm().history(viewer=self.anna))

    def alone(self) -> list[str]:
        mine = self._of_bot(self.room.history(viewer=self.sim.in_server(self.anna, self.room.guild)))
        return [text for text in mine if text not in self.in_room()]

    def _dm(self) -> Any:
        return self.anna.dm_channel

    def _of_bot(self, messages: Any) -> list[str]:
        return [item.content for item in messages if item.author.id == self.sim.bot_id]


@dataclass
class ConsoleChat(Chat):
    """A pipe: what is typed goes in, replies come out, notices on the other stream."""

    stdin: int = -1
    stdout: BytesIO = field(default_factory=BytesIO)
    stderr: BytesIO = field(default_factory=BytesIO)
    shown: list[str] = field(default_factory=list)

    async def say(self, text: str) -> Any:
        await asyncio.to_thread(os.write, self.stdin, text.encode() + b"\n")

    async def redeliver(self) -> None:
        """The same line with the same id."""
        await self.accept(self.heard[-1])

    def visible(self) -> list[str]:
        return list(self.shown)


@dataclass
class _Screen(BytesIO):
    """Either stream of the terminal: one write is one reply."""

    shown: list[str]

    def write(self, data: Any) -> int:
        self.shown.append(bytes(data).decode().removesuffix("\n"))
        return len(data)


Open = Callable[[Path], AbstractAsyncContextManager[Chat]]


@asynccontextmanager
async def telegram(_folder: Path) -> AsyncIterator[Chat]:
    async with TelegramServer() as server:
        config = TelegramConfig(
            token=server.token,
            base_url=server.base_url,
            base_file_url=server.base_file_url,
            pace=UNHURRIED,
            poll_timeout=5,
            request_timeout=2.0,
            retry_pause=0.01,
        )
        adapter = TelegramAdapter(config, build_registry().commands)
        yield TelegramChat(adapter, server=server)
        await adapter.stop()


@asynccontextmanager
async def slack(_folder: Path) -> AsyncIterator[Chat]:
    async with SlackServer() as server:
        adapter = SlackAdapter(
            SlackConfig(bot_token="xoxb-test", app_token="xapp-test", base_url=server.base_url, ping_interval=0.2)
        )
        yield SlackChat(adapter, server=server)
        await adapter.stop()


@asynccontextmanager
async def discord(_folder: Path, *, in_fixture: bool = False) -> AsyncIterator[Chat]:
    async with SimulatedDiscord(in_fixture=in_fixture) as sim:
        yield DiscordChat(sim.adapter, sim=sim)


@asynccontextmanager
async def console(folder: Path) -> AsyncIterator[Chat]:
    reading, writing = os.pipe()
    shown: list[str] = []
    chat: ConsoleChat
    adapter = ConsoleAdapter(
        PipedFace(reading, _Screen(shown), _Screen(shown)),
        now=lambda: datetime.now(UTC),
        idle=lambda: chat.town.queue.drain(),
        cancel=lambda: asyncio.sleep(0),
        export_folder=folder,
    )
    chat = ConsoleChat(adapter, stdin=writing, shown=shown)
    try:
        yield chat
    finally:
        await adapter.stop()
        os.close(writing)


CHATS: dict[str, Open] = {"console": console, "telegram": telegram, "slack": slack, "discord": discord}


@asynccontextmanager
async def opened(
    name: str,
    folder: Path,
    embedder: Embedder,
    rules: dict[PlatformName, AccessRule] | None = None,
    *,
    in_fixture: bool = False,
    policy: EnginePolicy | None = None,
    before: Callable[[Chat], None] | None = None,
) -> AsyncIterator[Chat]:
    """The chat with the engine behind it, over a store and a memory in this process. `before` is called with it before
    the bot connects."""
    async with AsyncExitStack() as stack:
        at_discord = partial(discord, in_fixture=in_fixture)
        chat = await stack.enter_async_context(at_discord(folder) if name == "discord" else CHATS[name](folder))
        if before is not None:
            before(chat)
        clock = ManualClock(datetime.now(UTC))
        chat.town = await stack.enter_async_context(
            world(embedder=embedder, model=chat.model, adapter=chat.adapter, clock=clock, rules=rules, policy=policy)
        )
        await chat.adapter.start(chat.accept)
        yield chat
