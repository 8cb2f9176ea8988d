"""`doctor` and `setup` ask the platforms themselves: tokens, scopes, intents, webhooks, second pollers."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.platforms.slack.manifest import SCOPES
from bot.cli.setup import run_checks
from bot.doctor import State, ask_platform
from bot.platforms import problems_of
from bot.settings import get_settings, settings_from
from tests.e2e.discord.wire import Wire
from tests.e2e.slack.model import Fault
from tests.e2e.slack.server import SlackServer
from tests.e2e.telegram.server import TelegramServer


def telegram_settings(server: TelegramServer, **others: str) -> dict[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": server.token,
        "TELEGRAM_BASE_URL": server.base_url,
        "TELEGRAM_BASE_FILE_URL": server.base_file_url,
        **others,
    }


def slack_settings(server: SlackServer) -> dict[str, str]:
    return {"SLACK_BOT_TOKEN": server.bot_token, "SLACK_APP_TOKEN": "xapp-test", "SLACK_BASE_URL": server.base_url}


async def test_a_telegram_that_works_has_no_problems() -> None:
    async with TelegramServer() as server:
        settings = settings_from(telegram_settings(server))
        assert await problems_of(settings, "telegram", is_running=True) == []


async def test_a_wrong_telegram_token_is_told() -> None:
    async with TelegramServer() as server:
        settings = settings_from(telegram_settings(server) | {"TELEGRAM_BOT_TOKEN": "1:wrong"})
        [problem] = await problems_of(settings, "telegram", is_running=False)
        assert "does not know this token" in problem


async def test_a_second_poller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    from contextlib import suppress

    from adapters.platforms.telegram.client import build_bot
    from bot.platforms import telegram_config

    async with TelegramServer() as server:
        settings = settings_from(telegram_settings(server))
        other = build_bot(telegram_config(settings))

        async def poll() -> None:
            while True:
                with suppress(Exception):
                    await other.get_updates(timeout=10)
                await asyncio.sleep(0.05)

        polling = asyncio.create_task(poll())
        [problem] = await problems_of(settings, "telegram", is_running=False)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await other.close_connections()
        assert "Another program polls" in problem


async def test_a_slack_that_works_and_what_its_token_lacks() -> None:
    async with SlackServer() as server:
        settings = settings_from(slack_settings(server))
        [problem] = await problems_of(settings, "slack", is_running=True)
        assert "slack-manifest" in problem
        assert "commands" in problem
        server.scopes = list(SCOPES)
        assert await problems_of(settings, "slack", is_running=True) == []
        server.fail("auth.test", Fault(error="invalid_auth"))
        [problem] = await problems_of(settings, "slack", is_running=True)
        assert problem.startswith("SLACK_BOT_TOKEN")
        server.fail("apps.connections.open", Fault(error="invalid_auth"))
        [problem] = await problems_of(settings, "slack", is_running=True)
        assert problem.startswith("SLACK_APP_TOKEN")
        server.fail("auth.test", Fault(status=500))
        [problem] = await problems_of(settings, "slack", is_running=True)
        assert "cannot be asked" in problem


@pytest.mark.parametrize(("flags", "told"), [(0, True), (1 << 18, False), (1 << 19, False)])
async def test_the_intent_that_lets_a_discord_bot_read(flags: int, told: bool) -> None:
    async with Wire(flags=flags) as wire:
        settings = settings_from({"DISCORD_BOT_TOKEN": wire.token, "DISCORD_API_URL": wire.api_url})
        found = await problems_of(settings, "discord", is_running=True)
        assert any("Message Content Intent" in problem for problem in found) is told
        wrong = settings_from({"DISCORD_BOT_TOKEN": "x.y.z", "DISCORD_API_URL": wire.api_url})
        assert "does not know this token" in (await problems_of(wrong, "discord", is_running=True))[0]


async def test_the_doctor_says_each_in_a_line(tmp_path: Path) -> None:
    async with TelegramServer() as server:
        home = {"MEMORYCHAT_HOME": str(tmp_path), "MEMORYCHAT_MASTER_KEY": "A" * 43 + "="}
        good = await ask_platform(settings_from(telegram_settings(server) | home), "Telegram")
        assert [finding.state for finding in good] == [State.GOOD]
        wrong = telegram_settings(server) | home | {"TELEGRAM_BOT_TOKEN": "1:wrong"}
        [finding] = await ask_platform(settings_from(wrong), "Telegram")
        assert finding.state is State.BROKEN


def test_setup_tells_of_a_token_that_cannot_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".env"
    path.write_text("TELEGRAM_BOT_TOKEN=1:x\nTELEGRAM_BASE_URL=http://127.0.0.1:9/bot\n")
    assert run_checks({"TELEGRAM_BOT_TOKEN": "1:x"}) == (1, 0)
    assert "Telegram" in capsys.readouterr().err
    path.write_text("SLACK_BOT_TOKEN=xoxb-1\n")
    assert run_checks({"SLACK_BOT_TOKEN": "xoxb-1"}) == (1, 0)
    assert "SLACK_APP_TOKEN" in capsys.readouterr().err
    get_settings.cache_clear()


async def test_a_bot_in_no_server_is_not_broken_but_told_how_to_get_into_one(tmp_path: Path) -> None:
    async with Wire(flags=1 << 18) as wire:
        values = {"DISCORD_BOT_TOKEN": wire.token, "DISCORD_API_URL": wire.api_url, "MEMORYCHAT_HOME": str(tmp_path)}
        settings = settings_from(values | {"MEMORYCHAT_MASTER_KEY": "A" * 43 + "="})
        works, left = await ask_platform(settings, "Discord")
        assert (works.state, left.state) == (State.GOOD, State.OFF)
        assert "client_id=900" in left.detail
        wire.servers = [
            {"id": "1", "name": "Harbour", "icon": None, "owner": False, "permissions": "0", "features": []}
        ]
        assert len(await ask_platform(settings, "Discord")) == 1
