"""Forged and replayed pushes against the mounted routes, with the real adapters and the whole engine behind them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from adapters.http.app import create_app
from adapters.http.config import HttpConfig, JwtConfig
from adapters.http.services import ApiServices
from adapters.memory.embedder import OnnxEmbedder
from adapters.platforms.slack import SlackAdapter, SlackConfig
from adapters.platforms.telegram import TelegramAdapter, TelegramConfig
from core.commands.registry import build_registry
from core.own_data import OwnData
from core.ports import PlatformAdapter
from tests.e2e.slack.model import ANNA, DM, TEAM
from tests.e2e.slack.server import SlackServer
from tests.e2e.slack.transport import signature
from tests.e2e.telegram.server import ANNA as ANNA_AT_TELEGRAM
from tests.e2e.telegram.server import TelegramServer
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.world import Town

FACT = "Quartzfinch"
SECRET = "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Front:
    """The HTTP side as the product mounts it."""

    town: Town
    http: httpx2.AsyncClient
    slack: SlackServer
    telegram: TelegramServer
    model: ScriptedModel
    home: Home

    async def nothing_came_of_it(self) -> None:
        await self.town.queue.drain()
        assert await self.home.holds(FACT) == []
        assert self.model.calls == []
        assert self.slack.visible_messages(DM[ANNA], ANNA) == []
        assert self.telegram.visible_messages(ANNA_AT_TELEGRAM) == []

    async def to_slack(self, body: bytes, headers: dict[str, str], kind: str = "application/json") -> int:
        given = {"Content-Type": kind, **headers}
        return (await self.http.post("/webhooks/slack/events", content=body, headers=given)).status_code

    async def to_telegram(self, body: bytes, headers: dict[str, str]) -> int:
        return (await self.http.post("/webhooks/telegram", content=body, headers=headers)).status_code


@pytest.fixture
async def front(tmp_path: Path, template: Path, embedder: OnnxEmbedder) -> AsyncIterator[Front]:
    home = Home(tmp_path, template, embedder, sealed=True)
    home.hurried = True
    home.clock.advance(max(0.0, time.time() - home.clock.now().timestamp()))
    model = ScriptedModel(lambda text: "Noted.")
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackServer(signing_secret=SECRET))
        telegram = await stack.enter_async_context(TelegramServer())
        platforms: tuple[PlatformAdapter, ...] = (
            SlackAdapter(SlackConfig(bot_token=slack.bot_token, signing_secret=SECRET, base_url=slack.base_url)),
            TelegramAdapter(
                TelegramConfig(
                    token=telegram.token,
                    base_url=telegram.base_url,
                    base_file_url=telegram.base_file_url,
                    webhook_url="http://127.0.0.1:9/webhooks/telegram",
                    webhook_secret=SECRET,
                ),
                build_registry().commands,
            ),
        )
        town = await stack.enter_async_context(home.process(model, adapters=platforms))  # type: ignore[arg-type]  # real ones
        for adapter in platforms:
            await adapter.start(town.engine.handle)
            stack.push_async_callback(adapter.stop)
        services = town.services
        own = OwnData(town.store, town.memory, services.sealer, town.ephemeral, town.clock, services.linking)
        api = ApiServices(
            town.engine,
            town.store,
            town.memory,
            services.sealer,
            services.registry,
            town.clock,
            services.quotas,
            own,
            platforms,
        )
        app = create_app(api, HttpConfig(jwt=JwtConfig("s" * 64)))
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bot.test", timeout=30)
        yield Front(town, await stack.enter_async_context(http), slack, telegram, model, home)


def event(text: str = f"my dog is called {FACT}") -> bytes:
    message = {"type": "message", "user": ANNA, "text": text, "ts": f"{time.time():.6f}", "team": TEAM}
    inner = {**message, "channel": DM[ANNA], "channel_type": "im"}
    body = {"type": "event_callback", "team_id": TEAM, "api_app_id": "A1", "event_id": "Ev1", "event": inner}
    return json.dumps({**body, "authorizations": [{"team_id": TEAM}]}).encode()


def update(text: str = f"my dog is called {FACT}") -> bytes:
    person = {"id": ANNA_AT_TELEGRAM, "is_bot": False, "first_name": "Anna"}
    chat = {"id": ANNA_AT_TELEGRAM, "type": "private", "first_name": "Anna"}
    message = {"message_id": 77, "date": int(time.time()), "chat": chat, "from": person, "text": text}
    return json.dumps({"update_id": 9_001, "message": message}).encode()


async def test_a_request_that_slack_did_not_sign_is_refused_and_leaves_nothing(front: Front) -> None:
    body, now = event(), time.time()
    good = signature(SECRET, body)
    stamp = {"X-Slack-Request-Timestamp": str(int(now))}
    for headers in (
        {},
        stamp,
        {"X-Slack-Signature": good["X-Slack-Signature"]},
        {**stamp, "X-Slack-Signature": ""},
        {**stamp, "X-Slack-Signature": "v0="},
        {**stamp, "X-Slack-Signature": "v0=" + "0" * 64},
        {**good, "X-Slack-Signature": good["X-Slack-Signature"].replace("v0=", "v1=")},
        {**good, "X-Slack-Request-Timestamp": "soon"},
        {**good, "X-Slack-Request-Timestamp": "9" * 400},
        signature("another secret", body),
        signature(SECRET, body + b" "),
        signature(SECRET, event("something else")),
        signature(SECRET, body, at=now - 301),
        signature(SECRET, body, at=now + 301),
    ):
        assert await front.to_slack(body, headers) == 401, headers
    command = f"command=%2Fremember&text={FACT}&user_id={ANNA}&team_id={TEAM}&channel_id={DM[ANNA]}".encode()
    assert await front.to_slack(command, signature("another secret", command), FORM) == 401
    await front.nothing_came_of_it()


async def test_a_request_of_slack_that_is_sent_again_is_answered_once(front: Front) -> None:
    """Within the minutes for which a signature is good, as somebody who overheard it could."""
    body = event("hello")
    headers = signature(SECRET, body)
    for _ in range(3):
        assert await front.to_slack(body, headers) == 200
    await eventually(lambda: len(front.model.calls) == 1)
    await front.town.queue.drain()
    assert len(front.model.calls) == 1
    assert len(front.slack.visible_messages(DM[ANNA], ANNA)) == 2, "the welcome and one answer"


async def test_an_update_that_telegram_did_not_send_is_refused_and_leaves_nothing(front: Front) -> None:
    name = "X-Telegram-Bot-Api-Secret-Token"
    wrong = ("", "x", SECRET[:-1], SECRET + "0", SECRET.upper(), "*")
    for headers in ({}, {"X-Telegram-Secret": SECRET}, *({name: given} for given in wrong)):
        assert await front.to_telegram(update(), headers) == 401, headers
    assert await front.to_telegram(b"[]", {name: SECRET}) == 400
    assert await front.to_telegram(b"\xff", {name: SECRET}) == 400
    await front.nothing_came_of_it()


async def test_an_update_of_telegram_that_is_sent_again_is_answered_once(front: Front) -> None:
    headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
    for _ in range(3):
        assert await front.to_telegram(update("hello"), headers) == 200
    await eventually(lambda: len(front.model.calls) == 1)
    await front.town.queue.drain()
    assert len(front.model.calls) == 1
    assert len(front.telegram.visible_messages(ANNA_AT_TELEGRAM)) == 2, "the welcome and one answer"
