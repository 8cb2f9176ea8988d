"""One Telegram, one adapter on the real SDK, and a desk where accepted messages land."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.platforms.telegram import Pace, TelegramAdapter, TelegramConfig
from core.messages import (
    Acceptance,
    InboundEvent,
    InboundMessage,
    MessageEdited,
    Reply,
    ReplyAddress,
    ReplyKind,
)
from core.types import Audience, Place
from tests.e2e.telegram.server import TelegramServer

UNHURRIED = Pace(chat=(1000, 1.0), group=(1000, 1.0), overall=(10_000, 1.0))


@dataclass
class Spec:
    name: str
    summary: str
    private: bool = False
    hidden: bool = False


COMMANDS = (
    Spec("help", "What I understand"),
    Spec("memories", "What I know", private=True),
    Spec("new", "Start anew"),
    Spec("start", "", hidden=True),
)


@dataclass
class Desk:
    """An Acceptor that keeps what it gets. `trouble` is raised instead, for one event after the other."""

    events: list[InboundEvent] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    migrations: list[tuple[Place, Place]] = field(default_factory=list)

    async def accept(self, event: InboundEvent) -> Acceptance:
        if self.trouble:
            raise self.trouble.pop(0)
        self.events.append(event)
        return Acceptance.ACCEPTED

    async def migrated(self, place: Place, new_place: Place) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.migrations.append((place, new_place))

    @property
    def messages(self) -> list[InboundMessage]:
        return [event for event in self.events if isinstance(event, InboundMessage)]

    @property
    def edits(self) -> list[MessageEdited]:
        return [event for event in self.events if isinstance(event, MessageEdited)]

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]


def config_for(telegram: TelegramServer, **changes: Any) -> TelegramConfig:
    settings: dict[str, Any] = {
        "token": telegram.token,
        "base_url": telegram.base_url,
        "base_file_url": telegram.base_file_url,
        "pace": UNHURRIED,
        "poll_timeout": 5,
        "request_timeout": 2.0,
        "retry_pause": 0.01,
    }
    return TelegramConfig(**(settings | changes))


def address_of(message: InboundMessage) -> ReplyAddress:
    """As the core makes it."""
    return ReplyAddress(
        place=message.place,
        kind=message.kind,
        recipient=message.sender.external_id,
        thread_id=message.reply_thread or message.place.thread_id,
        reply_to=message.message_id,
        handle=message.handle,
    )


def answer(text: str, audience: Audience = Audience.ROOM, **fields: Any) -> Reply:
    return Reply(text=text, kind=ReplyKind.ANSWER, audience=audience, **fields)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
def desk() -> Desk:
    return Desk()


Connect = Callable[..., Awaitable[TelegramAdapter]]


@pytest.fixture
async def connect(telegram: TelegramServer, desk: Desk) -> AsyncIterator[Connect]:
    """Start an adapter; settings as for TelegramConfig."""
    started: list[TelegramAdapter] = []

    async def start(**changes: Any) -> TelegramAdapter:
        adapter = TelegramAdapter(config_for(telegram, **changes), COMMANDS, on_migrated=desk.migrated)
        started.append(adapter)
        await adapter.start(desk.accept)
        return adapter

    yield start
    for adapter in started:
        await adapter.stop()
