"""One Slack, one adapter on the real SDK, and a desk where accepted events land."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web

from adapters.platforms.slack import SlackAdapter, SlackConfig
from adapters.platforms.slack.config import Pace
from core.errors import MemoryChatError
from core.messages import Acceptance, InboundEvent, InboundMessage, Reply, ReplyAddress, ReplyKind
from core.types import Audience
from tests.e2e.slack.server import SlackServer
from tests.e2e.slack.transport import HttpTransport

UNHURRIED = Pace(channel_seconds=0.0, previews_a_minute=100_000)


@dataclass
class Desk:
    """An Acceptor that keeps what it gets and knows what it had. `trouble` is raised instead, once each."""

    events: list[InboundEvent] = field(default_factory=list)
    trouble: list[MemoryChatError] = field(default_factory=list)
    duplicates: int = 0

    async def accept(self, event: InboundEvent) -> Acceptance:
        if self.trouble:
            raise self.trouble.pop(0)
        if isinstance(event, InboundMessage) and event.event_key in {item.event_key for item in self.messages}:
            self.duplicates += 1
            return Acceptance.DUPLICATE
        self.events.append(event)
        return Acceptance.ACCEPTED

    @property
    def messages(self) -> list[InboundMessage]:
        return [event for event in self.events if isinstance(event, InboundMessage)]

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]

    @property
    def address(self) -> ReplyAddress:
        """Where the answer to the newest message goes."""
        return ReplyAddress.of(self.messages[-1])


def answer(text: str, *, audience: Audience = Audience.ROOM, **more: object) -> Reply:
    return replace(Reply(text=text, kind=ReplyKind.ANSWER, audience=audience), **more)


def config_for(slack: SlackServer, *, socket: bool = True) -> SlackConfig:
    return SlackConfig(
        bot_token=slack.bot_token,
        app_token=slack.app_token if socket else "",
        signing_secret="" if socket else slack.signing_secret,
        base_url=slack.base_url,
        ping_interval=0.2,
        request_timeout=5.0,
        pace=UNHURRIED,
    )


@asynccontextmanager
async def served(adapter: SlackAdapter) -> AsyncIterator[str]:
    """The adapter's HTTP side behind a real web server, as the product mounts it."""

    async def receive(request: web.Request) -> web.Response:
        status, headers, body = await adapter.handle_http(dict(request.headers), await request.read())
        return web.Response(status=status, headers=headers, body=body)

    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/slack/{kind}", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/slack/events"
    finally:
        await runner.cleanup()


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def adapter(slack: SlackServer, desk: Desk) -> AsyncIterator[SlackAdapter]:
    """By Socket Mode."""
    adapter = SlackAdapter(config_for(slack))
    await adapter.start(desk.accept)
    yield adapter
    await adapter.stop()


@pytest.fixture
async def web_adapter(slack: SlackServer, desk: Desk) -> AsyncIterator[SlackAdapter]:
    """By signed HTTP requests."""
    adapter = SlackAdapter(config_for(slack, socket=False))
    await adapter.start(desk.accept)
    async with served(adapter) as url:
        slack.http = HttpTransport(url, slack.signing_secret)
        yield adapter
    await adapter.stop()
