"""The four platforms as people meet them: the real adapters, each over its emulator, in one process behind one engine.

A person writes on a platform as that platform delivers it (an update, an event on a socket, a gateway event, a line),
and reads what the emulator shows them afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from adapters.clock import ManualClock
from adapters.platforms.console.translate import PERSON
from core.messages import Acceptance, InboundEvent, InboundMessage
from core.ports import PlatformAdapter
from tests.contracts.platform.chats import ConsoleChat, DiscordChat, SlackChat, TelegramChat
from tests.contracts.platform.chats import console as open_console
from tests.contracts.platform.chats import discord as open_discord
from tests.contracts.platform.chats import slack as open_slack
from tests.contracts.platform.chats import telegram as open_telegram
from tests.e2e.discord.server import SimulatedDiscord
from tests.e2e.slack import model as slack_model
from tests.e2e.slack.server import SlackServer
from tests.e2e.telegram.server import TelegramServer
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel
from tests.support.world import Town

ALL = ("console", "slack", "telegram", "discord")


class Scene(Protocol):
    """One platform. `room` names a group with a thread of its own that both people of a row are in."""

    adapter: PlatformAdapter
    places: tuple[str, ...]

    def enter(self, name: str, room: str) -> str:
        """A person comes to the platform and into the room; their account."""
        ...

    async def write(self, account: str, room: str, place: str, text: str) -> None:
        """In their direct chat (`dm`), the room (`group`) or its thread; addressed to the bot."""
        ...

    def seen(self, account: str, room: str, place: str) -> list[str]:
        """What stands there of the bot, as this person can read it; a room's private answers too."""
        ...

    async def advance(self, seconds: float) -> None:
        """The platform's own clock, which dates its messages."""
        ...


class SlackScene:
    places = ("dm", "group", "thread")

    def __init__(self, adapter: PlatformAdapter, server: SlackServer) -> None:
        self.adapter = adapter
        self._server = server
        self._threads: dict[str, str] = {}

    def enter(self, name: str, room: str) -> str:
        account = f"U{name.upper().replace('-', '')}"
        self._server.people[account] = {"name": name, "profile": {"display_name": name}, "locale": "en-US"}
        slack_model.DM[account] = f"D{account[1:]}"
        members = self._server.members.setdefault(self._channel(room), {slack_model.BOT, slack_model.CARLA})
        members.add(account)
        if room not in self._threads:
            self._threads[room] = self._server.say(slack_model.CARLA, "About lunch.", channel=self._channel(room))
        return account

    async def write(self, account: str, room: str, place: str, text: str) -> None:
        if place == "dm":
            self._server.say(account, text)
        elif place == "group" and text.startswith("/"):
            command, _, rest = text.partition(" ")
            self._server.command(account, command, rest, channel=self._channel(room))
        else:
            thread = self._threads[room] if place == "thread" else ""
            self._server.say(account, f"<@{slack_model.BOT}> {text}", channel=self._channel(room), thread=thread)

    def seen(self, account: str, room: str, place: str) -> list[str]:
        channel = slack_model.DM[account] if place == "dm" else self._channel(room)
        return self._server.visible_messages(channel, account)

    async def advance(self, seconds: float) -> None:
        self._server.ahead += seconds

    def _channel(self, room: str) -> str:
        return f"C{room.upper().replace('-', '')}"


class TelegramScene:
    """A group with topics: the thread is one of them."""

    places = ("dm", "group", "thread")

    def __init__(self, adapter: PlatformAdapter, server: TelegramServer) -> None:
        self.adapter = adapter
        self._server = server
        self._server.clock = lambda: self._now
        self._now = 0.0
        self._rooms: dict[str, int] = {}
        self._numbers = itertools.count(10_000)

    def begin_at(self, now: float) -> None:
        self._now = now

    def enter(self, name: str, room: str) -> str:
        account = next(self._numbers)
        self._server.add_person(account, name)
        if room not in self._rooms:
            self._rooms[room] = -next(self._numbers)
            self._server.add_group(self._rooms[room], room, is_forum=True)
        return str(account)

    async def write(self, account: str, room: str, place: str, text: str) -> None:
        if place == "dm":
            self._server.say(int(account), text)
            return
        command, _, rest = text.partition(" ")
        addressed = f"{command}@memory_bot {rest}" if text.startswith("/") else f"@memory_bot {text}"
        topic = 5 if place == "thread" else None
        self._server.say(int(account), addressed.strip(), chat=self._rooms[room], topic=topic)

    def seen(self, account: str, room: str, place: str) -> list[str]:
        return self._server.visible_messages(int(account) if place == "dm" else self._rooms[room])

    async def advance(self, seconds: float) -> None:
        self._now += seconds


class DiscordScene:
    places = ("dm", "group", "thread")

    def __init__(self, adapter: PlatformAdapter, sim: SimulatedDiscord) -> None:
        self.adapter = adapter
        self._sim = sim
        self._guild = sim.env.create_guild("Harbour")
        self._people: dict[str, Any] = {}
        self._rooms: dict[str, Any] = {}
        self._threads: dict[str, Any] = {}

    def enter(self, name: str, room: str) -> str:
        person = self._sim.person(name)
        self._people[str(person.id)] = person
        self._sim.in_server(person, self._guild)
        if room not in self._rooms:
            self._rooms[room] = self._guild.create_text_channel(room)
            self._threads[room] = self._sim.thread(person, self._rooms[room])
        return str(person.id)

    async def write(self, account: str, room: str, place: str, text: str) -> None:
        # Not the simulator's own way, which waits for the bot to be idle: the test does that with the engine's queue.
        said = text if place == "dm" else f"{self._sim.mention} {text}"
        self._sim.env.backend.create_message(self._channel(account, room, place).id, int(account), said)
        self._sim.env._mark_mutation()

    def seen(self, account: str, room: str, place: str) -> list[str]:
        person = self._people[account]
        viewer = person if place == "dm" else self._sim.in_server(person, self._guild)
        history = self._channel(account, room, place).history(viewer=viewer)
        return [message.content for message in history if message.author.id == self._sim.bot_id]

    async def advance(self, seconds: float) -> None:
        await self._sim.env.advance_time(seconds)

    def _channel(self, account: str, room: str, place: str) -> Any:
        if place == "dm":
            return self._people[account].dm_channel
        return (self._threads if place == "thread" else self._rooms)[room]


class ConsoleScene:
    """One terminal, one person."""

    places = ("dm",)

    def __init__(self, chat: ConsoleChat) -> None:
        self.adapter = chat.adapter
        self._chat = chat

    def enter(self, name: str, room: str) -> str:
        return PERSON

    async def write(self, account: str, room: str, place: str, text: str) -> None:
        await asyncio.to_thread(os.write, self._chat.stdin, text.encode() + b"\n")

    def seen(self, account: str, room: str, place: str) -> list[str]:
        return list(self._chat.shown)

    async def advance(self, seconds: float) -> None:
        """Its lines carry the engine's time."""


@dataclass
class Voice:
    """One account of somebody. `hears` is all that this person can read of what a message brought."""

    theatre: Theatre
    platform: str
    account: str
    room: str
    place: str

    async def says(self, text: str) -> str:
        scene = self.theatre.scenes[self.platform]
        looked_at = ("dm",) if self.place == "dm" else ("dm", self.place)
        before = [len(scene.seen(self.account, self.room, place)) for place in looked_at]
        await self.theatre.accepted_after(self.platform, scene.write(self.account, self.room, self.place, text))
        now = [scene.seen(self.account, self.room, place) for place in looked_at]
        return "\n".join(text for known, shown in zip(before, now, strict=True) for text in shown[known:])

    def at(self, place: str) -> Voice:
        return Voice(self.theatre, self.platform, self.account, self.room, place)


@dataclass
class Theatre:
    town: Town
    scenes: dict[str, Scene]
    model: ScriptedModel
    _counts: dict[str, int] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def voice(self, platform: str, name: str, room: str) -> Voice:
        """A newcomer, in their direct chat."""
        return Voice(self, platform, self.scenes[platform].enter(name, room), room, "dm")

    async def accept(self, event: InboundEvent) -> Acceptance:
        acceptance = await self.town.engine.handle(event)
        if isinstance(event, InboundMessage) and acceptance is Acceptance.ACCEPTED:
            platform = event.place.platform
            self._counts[platform] = self._counts.get(platform, 0) + 1
            self._news.set()
        return acceptance

    async def accepted_after(self, platform: str, writing: Any) -> None:
        before = self._counts.get(platform, 0)
        await writing
        async with asyncio.timeout(20):
            while self._counts.get(platform, 0) == before:
                self._news.clear()
                await self._news.wait()
            await self.town.queue.drain()

    async def advance(self, seconds: float) -> None:
        """Everybody's clock."""
        self.town.clock.advance(seconds)
        for scene in self.scenes.values():
            await scene.advance(seconds)


@asynccontextmanager
async def theatre(
    home: Home, model: ScriptedModel, folder: Path, platforms: Sequence[str] = ALL
) -> AsyncIterator[Theatre]:
    """The platforms open first, so that the engine's time is theirs."""
    async with AsyncExitStack() as stack:
        scenes: dict[str, Scene] = {}
        home.clock = clock = ManualClock(datetime.now(UTC))
        for name in platforms:
            scenes[name] = await stack.enter_async_context(_OPENERS[name](folder, clock))
        adapters: Any = [scene.adapter for scene in scenes.values()]
        town = await stack.enter_async_context(home.process(model, adapters=adapters))
        stage = Theatre(town, scenes, model)
        for scene in scenes.values():
            if isinstance(scene, ConsoleScene):
                scene._chat.town = town
            stack.push_async_callback(scene.adapter.stop)
            await scene.adapter.start(stage.accept)
        yield stage


@asynccontextmanager
async def _slack(folder: Path, clock: ManualClock) -> AsyncIterator[Scene]:
    async with open_slack(folder) as chat:
        assert isinstance(chat, SlackChat)
        chat.server.ahead = clock.now().timestamp() - time.time()
        yield SlackScene(chat.adapter, chat.server)


@asynccontextmanager
async def _telegram(folder: Path, clock: ManualClock) -> AsyncIterator[Scene]:
    async with open_telegram(folder) as chat:
        assert isinstance(chat, TelegramChat)
        scene = TelegramScene(chat.adapter, chat.server)
        scene.begin_at(clock.now().timestamp())
        yield scene


@asynccontextmanager
async def _discord(folder: Path, clock: ManualClock) -> AsyncIterator[Scene]:
    async with open_discord(folder) as chat:
        assert isinstance(chat, DiscordChat)
        yield DiscordScene(chat.adapter, chat.sim)


@asynccontextmanager
async def _console(folder: Path, clock: ManualClock) -> AsyncIterator[Scene]:
    async with open_console(folder / "exports") as chat:
        assert isinstance(chat, ConsoleChat)
        chat.adapter._now = clock.now
        yield ConsoleScene(chat)


_OPENERS: dict[str, Any] = {"console": _console, "slack": _slack, "telegram": _telegram, "discord": _discord}
