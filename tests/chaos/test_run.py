"""`memorychat run` is stopped and killed while people wait: every one is answered, and none twice without a label."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.chaos.bot import GatedModel, environment, gated_model, running
from tests.e2e.slack import model as slack_model
from tests.e2e.slack.server import SlackServer
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually

PEOPLE = range(5_000, 5_050)
LABEL = "may be a duplicate"
pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]  # whole processes, perhaps on a busy machine


@pytest.fixture
async def model() -> AsyncIterator[GatedModel]:
    async with gated_model() as model:
        yield model


def telegram_settings(server: TelegramServer) -> dict[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": server.token,
        "TELEGRAM_BASE_URL": server.base_url,
        "TELEGRAM_BASE_FILE_URL": server.base_file_url,
    }


def slack_settings(server: SlackServer) -> dict[str, str]:
    return {"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_APP_TOKEN": "xapp-test", "SLACK_BASE_URL": server.base_url}


def answered(texts: list[str], words: str) -> bool:
    """Alone, or together with what else waited."""
    return any("You said:" in text and words in text for text in texts)


async def stopped(process: asyncio.subprocess.Process) -> float:
    """Seconds that it took to end with code 0 after SIGTERM."""
    began = time.monotonic()
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 12.0) == 0
    return time.monotonic() - began


async def test_a_stop_hands_unfinished_turns_back_and_the_next_start_answers_them(
    tmp_path: Path, model: GatedModel
) -> None:
    async with TelegramServer() as telegram, SlackServer() as slack:
        env = environment(tmp_path, model, telegram_settings(telegram) | slack_settings(slack))
        dm = slack_model.DM[slack_model.BEN]
        async with running(tmp_path, env) as process:
            await eventually(lambda: bool(slack.socket.sockets) and bool(telegram.called("getUpdates")), 30.0)
            telegram.say(ANNA, "from telegram")
            slack.say(slack_model.BEN, "from slack")
            await eventually(lambda: model.asked >= 2, 20.0)
            telegram.say(ANNA, "and one that waits")
            await eventually(lambda: telegram.unconfirmed == 0)
            assert await stopped(process) < 10.0
        assert not answered(telegram.visible_messages(ANNA), "from telegram")
        model.gate.set()
        async with running(tmp_path, env) as process:
            await eventually(lambda: answered(telegram.visible_messages(ANNA), "and one that waits"), 30.0)
            await eventually(lambda: answered(slack.visible_messages(dm, slack_model.BEN), "from slack"), 20.0)
            assert await stopped(process) < 5.0
        texts = telegram.visible_messages(ANNA)
        assert len([text for text in texts if "from telegram" in text]) == 1
        assert len([text for text in slack.visible_messages(dm) if "You said: from slack" in text]) == 1
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


async def test_what_slack_was_told_while_the_bot_was_away_is_answered(tmp_path: Path, model: GatedModel) -> None:
    model.gate.set()
    dm = slack_model.DM[slack_model.BEN]
    async with SlackServer() as slack:
        env = environment(tmp_path, model, slack_settings(slack))

        async def one_run(condition: Callable[[], bool]) -> None:
            async with running(tmp_path, env) as process:
                await eventually(lambda: bool(slack.socket.sockets), 30.0)
                slack.say(slack_model.ANNA, "I am here")
                await eventually(condition, 20.0)
                await stopped(process)

        slack.say(slack_model.BEN, "hello")
        await one_run(lambda: answered(slack.visible_messages(dm), "hello"))
        slack.say(slack_model.BEN, "anybody there?")
        slack.socket.waiting.clear()  # Slack has given up sending it
        await one_run(lambda: answered(slack.visible_messages(dm), "anybody there?"))
        assert len([text for text in slack.visible_messages(dm) if "You said: hello" in text]) == 1


async def test_fifty_in_flight_survive_a_kill(tmp_path: Path, model: GatedModel) -> None:
    async with TelegramServer() as telegram:
        env = environment(tmp_path, model, telegram_settings(telegram))
        for person in PEOPLE:
            telegram.add_person(person, f"P{person}")
            telegram.say(person, f"hello from {person}")

        def done() -> list[int]:
            return [p for p in PEOPLE if answered(telegram.visible_messages(p), f"hello from {p}")]

        async with running(tmp_path, env) as process:
            await eventually(lambda: model.asked >= len(PEOPLE), 40.0)
            model.gate.set()
            await eventually(lambda: len(done()) >= 5, 20.0)
            process.kill()
            await process.wait()
        before = len(done())
        assert before < len(PEOPLE)
        async with running(tmp_path, env) as process:
            await eventually(lambda: len(done()) == len(PEOPLE), 40.0)
            assert await stopped(process) < 10.0
        for person in PEOPLE:
            answers = [text for text in telegram.visible_messages(person) if "You said:" in text]
            assert len([text for text in answers if LABEL not in text]) <= 1
            welcomes = [text for text in telegram.visible_messages(person) if "/forget" in text and LABEL not in text]
            assert len(welcomes) <= 1
