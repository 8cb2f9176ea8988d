"""Pushes of Slack and Telegram reach their adapters as they came, and get the adapters' answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.http.routes.webhooks import TakesPushes, TakesRequests
from adapters.platforms.slack import SlackAdapter, SlackConfig
from adapters.platforms.telegram import TelegramAdapter, TelegramConfig
from core.capabilities import PlatformCapabilities
from core.ports import PlatformAdapter
from core.types import PlatformName
from tests.contracts.http.conftest import Builder, Site
from tests.support.scripted import PLAIN, ScriptedAdapter

Pushed = list[tuple[Mapping[str, str], bytes]]


@dataclass
class Requests(ScriptedAdapter):
    name: PlatformName = PlatformName("slack")
    capabilities: PlatformCapabilities = PLAIN
    pushed: Pushed = field(default_factory=list)

    async def handle_http(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.pushed.append((headers, body))
        return 200, {"content-type": "text/plain"}, b"challenge"


@dataclass
class Pushes(ScriptedAdapter):
    name: PlatformName = PlatformName("telegram")
    capabilities: PlatformCapabilities = PLAIN
    pushed: Pushed = field(default_factory=list)

    async def handle_webhook(self, headers: Mapping[str, str], body: bytes) -> int:
        self.pushed.append((headers, body))
        return 401 if "x-telegram-bot-api-secret-token" not in headers else 200


async def test_each_platform_gets_its_own_pushes(build_site: Builder) -> None:
    slack, telegram = Requests(), Pushes()
    platforms: tuple[PlatformAdapter, ...] = (slack, telegram)
    site = await build_site(platforms=platforms)
    http = (await site.visitor()).http
    answer = await http.post("/webhooks/slack/events", content=b"raw \xff bytes", headers={"X-Slack-Signature": "v0=1"})
    assert (answer.status_code, answer.text) == (200, "challenge")
    headers, body = slack.pushed[0]
    assert body == b"raw \xff bytes"
    assert headers["x-slack-signature"] == "v0=1"
    assert (await http.post("/webhooks/telegram", content=b"{}")).status_code == 401
    secret = {"X-Telegram-Bot-Api-Secret-Token": "s"}
    assert (await http.post("/webhooks/telegram", content=b"{}", headers=secret)).status_code == 200
    assert (await http.post("/webhooks/discord", content=b"{}")).status_code == 404


async def test_the_real_adapters_are_what_the_routes_look_for() -> None:
    slack = SlackAdapter(SlackConfig(bot_token="xoxb-1", signing_secret="shh"))
    telegram = TelegramAdapter(TelegramConfig(token="1:x"))
    assert isinstance(slack, TakesRequests)
    assert isinstance(telegram, TakesPushes)
    assert (await slack.handle_http({}, b"{}"))[0] == 401
    assert await telegram.handle_webhook({}, b"{}") == 401
    await slack.stop()
    await telegram.stop()


async def test_a_platform_that_is_off_is_not_there(site: Site) -> None:
    answer = await (await site.visitor()).http.post("/webhooks/slack", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
