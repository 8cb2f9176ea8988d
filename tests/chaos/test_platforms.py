"""`memorychat run` on Discord, and on all three platforms at once: stopped and killed, it answers everybody once."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.platforms.slack.manifest import EVENTS_PATH
from tests.chaos.bot import GatedModel, environment, gated_model, running
from tests.chaos.test_run import LABEL, answered, slack_settings, stopped, telegram_settings
from tests.e2e.discord.wire import Wire
from tests.e2e.slack import model as slack_model
from tests.e2e.slack.server import SlackServer
from tests.e2e.slack.transport import HttpTransport
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]  # whole processes, perhaps on a busy machine


@pytest.fixture
async def model() -> AsyncIterator[GatedModel]:
    async with gated_model() as model:
        yield model


def discord_settings(wire: Wire) -> dict[str, str]:
    return {
        "DISCORD_BOT_TOKEN": wire.token,
        "DISCORD_API_URL": wire.api_url,
        "DISCORD_GATEWAY_URL": wire.gateway_url,
    }


def said(texts: list[str], words: str) -> list[str]:
    return [text for text in texts if "You said:" in text and words in text]


async def test_discord_is_answered_by_a_process_that_stops_and_comes_back(tmp_path: Path, model: GatedModel) -> None:
    model.gate.set()
    async with Wire() as wire:
        env = environment(tmp_path, model, discord_settings(wire))
        async with running(tmp_path, env) as process:
            await eventually(wire.connected, 30.0)
            await wire.direct_message("hello")
            await eventually(lambda: answered(wire.texts(), "hello"), 20.0)
            model.gate.clear()
            await wire.direct_message("are you still there?")
            await eventually(lambda: model.asked >= 2, 20.0)
            assert await stopped(process) < 10.0
        assert not answered(wire.texts(), "still there")
        await wire.direct_message("while you were away", heard=False)
        model.gate.set()
        async with running(tmp_path, env) as process:
            await eventually(lambda: answered(wire.texts(), "while you were away"), 30.0)
            await eventually(lambda: answered(wire.texts(), "still there"), 20.0)
            assert await stopped(process) < 10.0
        for words in ("hello", "still there", "while you were away"):
            assert len(said(wire.texts(), words)) == 1, words
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


async def test_discord_answers_after_a_kill_what_it_had_heard(tmp_path: Path, model: GatedModel) -> None:
    people = range(300, 320)
    async with Wire() as wire:
        env = environment(tmp_path, model, discord_settings(wire))
        async with running(tmp_path, env) as process:
            await eventually(wire.connected, 30.0)
            for who in people:
                await wire.direct_message(f"hello from {who}", who, str(5_000 + who))
            await eventually(lambda: model.asked >= len(people), 30.0)
            model.gate.set()
            await eventually(
                lambda: len([p for p in people if said(wire.texts(str(5_000 + p)), f"from {p}")]) >= 3, 20.0
            )
            process.kill()
            await process.wait()
        async with running(tmp_path, env) as process:
            await eventually(wire.connected, 30.0)
            await eventually(lambda: all(said(wire.texts(str(5_000 + p)), f"from {p}") for p in people), 40.0)
            assert await stopped(process) < 10.0
        for who in people:
            answers = said(wire.texts(str(5_000 + who)), f"from {who}")
            assert len([text for text in answers if LABEL not in text]) <= 1


async def test_one_process_serves_all_three_platforms_and_stops_in_time(tmp_path: Path, model: GatedModel) -> None:
    dm = slack_model.DM[slack_model.BEN]
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(TelegramServer())
        slack = await stack.enter_async_context(SlackServer())
        wire = await stack.enter_async_context(Wire())
        settings = telegram_settings(telegram) | slack_settings(slack) | discord_settings(wire)
        env = environment(tmp_path, model, settings)

        async def everybody_says(words: str) -> None:
            telegram.say(ANNA, words)
            slack.say(slack_model.BEN, words)
            await wire.direct_message(words)

        def everywhere(words: str) -> list[list[str]]:
            shown = (telegram.visible_messages(ANNA), slack.visible_messages(dm, slack_model.BEN), wire.texts())
            return [said(texts, words) for texts in shown]

        def is_up() -> bool:
            return bool(slack.socket.sockets) and bool(telegram.called("getUpdates")) and wire.connected()

        async with running(tmp_path, env) as process:
            await eventually(is_up, 40.0)
            model.gate.set()
            await everybody_says("good morning")
            await eventually(lambda: all(everywhere("good morning")), 30.0)
            model.gate.clear()
            before = model.asked
            await everybody_says("and one more")
            await eventually(lambda: model.asked == before + 3, 20.0)
            assert await stopped(process) < 10.0
        assert not any(everywhere("and one more"))
        model.gate.set()
        async with running(tmp_path, env) as process:
            await eventually(lambda: all(everywhere("and one more")), 40.0)
            assert await stopped(process) < 10.0
        assert [len(texts) for texts in everywhere("good morning")] == [1, 1, 1]
        assert [len(texts) for texts in everywhere("and one more")] == [1, 1, 1]
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


async def test_slack_and_telegram_push_to_a_process_that_serves_http(tmp_path: Path, model: GatedModel) -> None:
    """With the addresses that the manifest and the README name."""
    model.gate.set()
    port = _free_port()
    async with TelegramServer() as telegram, SlackServer() as slack:
        pushed = {
            "HTTP_PORT": str(port),
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_BASE_URL": slack.base_url,
            "TELEGRAM_WEBHOOK_URL": f"http://127.0.0.1:{port}/webhooks/telegram",
            "TELEGRAM_WEBHOOK_SECRET": "between-us",
        }
        env = environment(tmp_path, model, telegram_settings(telegram) | pushed)
        slack.http = HttpTransport(f"http://127.0.0.1:{port}{EVENTS_PATH}", slack.signing_secret)
        async with running(tmp_path, env) as process:
            await eventually(lambda: bool(telegram.webhook["url"]) and "slack has started" in _log(tmp_path), 30.0)
            telegram.say(ANNA, "from telegram")
            slack.say(slack_model.BEN, "from slack")
            slack.command(slack_model.BEN, "/help")
            await eventually(lambda: answered(telegram.visible_messages(ANNA), "from telegram"), 20.0)
            dm = slack_model.DM[slack_model.BEN]
            await eventually(lambda: answered(slack.visible_messages(dm, slack_model.BEN), "from slack"), 20.0)
            await eventually(lambda: any("/incognito" in text for text in slack.visible_messages(dm)), 20.0)
            assert telegram.called("getUpdates") == []
            assert await stopped(process) < 10.0


def _log(folder: Path) -> str:
    return (folder / "run.log").read_text("utf-8")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
