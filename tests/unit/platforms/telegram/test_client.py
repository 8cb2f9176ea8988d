"""The way out to Telegram, through a proxy where the environment names one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from adapters.platforms.telegram.client import build_bot, proxy_for
from adapters.platforms.telegram.config import TelegramConfig

ME = {"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "Bot", "username": "a_bot"}}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def server(asked: list[str]) -> AsyncIterator[str]:
    """Answers whatever it is asked, as a proxy or as Telegram; `asked` are the hosts."""

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.host)
        return web.json_response(ME)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def username_at(base_url: str) -> str:
    bot = build_bot(TelegramConfig(token="1:T", base_url=base_url))
    try:
        return await bot.own_username()
    finally:
        await bot.close_connections()


async def test_requests_go_through_the_proxy_that_the_environment_names(monkeypatch):
    asked: list[str] = []
    async with server(asked) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        assert await username_at("http://telegram.invalid/bot") == "a_bot"
    assert asked == ["telegram.invalid"]


async def test_requests_pass_by_the_proxy_where_the_environment_says_so(monkeypatch):
    asked: list[str] = []
    async with server(asked) as telegram:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await username_at(f"http://{telegram}/bot") == "a_bot"
    assert asked == [telegram]


def test_each_scheme_has_its_proxy(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://one:3128")
    assert proxy_for("https://api.telegram.org/bot") == "http://one:3128"
    assert proxy_for("http://127.0.0.1:8081/bot") is None
