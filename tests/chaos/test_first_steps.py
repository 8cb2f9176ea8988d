"""The README's way from a token to the first reply, walked with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import stat
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from adapters.platforms.slack.manifest import SCOPES
from bot.setup import QUESTIONS
from tests.chaos.bot import ROOT, environment, gated_model, running
from tests.chaos.test_run import answered, slack_settings, telegram_settings
from tests.e2e.discord.wire import Wire
from tests.e2e.slack import model as slack_model
from tests.e2e.slack.server import SlackServer
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]  # whole processes, perhaps on a busy machine


async def memorychat(folder: Path, env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and stdout of one command beside the running bot."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from bot.cli import main; main()", *arguments),
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_a_newcomer_is_let_in_by_the_code_and_kept_out_by_a_block(tmp_path: Path) -> None:
    async with gated_model() as model, TelegramServer() as telegram:
        model.gate.set()
        settings = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_BASE_URL": telegram.base_url,
            "TELEGRAM_BASE_FILE_URL": telegram.base_file_url,
            "ACCESS_POLICY": "pairing",
        }
        env = environment(tmp_path, model, settings)
        async with running(tmp_path, env) as process:
            telegram.say(ANNA, "hello")
            await eventually(lambda: len(telegram.visible(ANNA)) == 1, 30.0)
            found = re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}", telegram.visible_messages(ANNA)[0])
            assert found is not None
            assert found[0] in (await memorychat(tmp_path, env, "access", "list"))[1]
            assert (await memorychat(tmp_path, env, "access", "approve", "WRON-GONE"))[0] == 1
            assert (await memorychat(tmp_path, env, "access", "approve", found[0].lower()))[0] == 0
            assert (await memorychat(tmp_path, env, "access", "approve", found[0]))[0] == 1
            telegram.say(ANNA, "hello again")
            await eventually(lambda: "You said: hello again" in telegram.visible_messages(ANNA)[-1], 20.0)
            assert (await memorychat(tmp_path, env, "access", "block", "telegram", str(ANNA)))[0] == 0
            assert "blocked" in (await memorychat(tmp_path, env, "access", "list"))[1]
            assert (await memorychat(tmp_path, env, "access", "revoke", "telegram", str(ANNA)))[0] == 0
            assert (await memorychat(tmp_path, env, "access", "revoke", "telegram", str(ANNA)))[0] == 1
            assert (await memorychat(tmp_path, env, "access", "block", "icq", "1"))[0] == 1
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10.0) == 0


async def answers_to_setup(folder: Path, env: Mapping[str, str], answers: Mapping[str, str]) -> str:
    """Sit at a terminal with `memorychat setup` and type each answer at its question; what stood on the screen."""
    terminal, keyboard = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from bot.cli import main; main()", "setup"),
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
    )
    os.close(keyboard)
    screen = ""

    def look() -> None:
        nonlocal screen
        try:
            screen += os.read(terminal, 65_536).decode()
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(terminal)

    asyncio.get_running_loop().add_reader(terminal, look)

    def asked(answered: int) -> str:
        """The question that stands at the end of the screen, beyond what was answered already. Its blank comes last:
        what is typed before it is thrown away when the terminal is told not to show a secret."""
        lines = screen[answered:].splitlines() or [""]
        return next((item.text for item in QUESTIONS if lines[-1] == f"{item.text}: "), "")

    def is_asked(answered: int) -> bool:
        return process.returncode is not None or bool(asked(answered))

    seen = 0
    try:
        while True:
            await eventually(partial(is_asked, seen), 60.0)
            if process.returncode is not None:
                break
            answer, seen = answers.get(asked(seen), ""), len(screen)
            os.write(terminal, answer.encode() + b"\n")
    finally:
        asyncio.get_running_loop().remove_reader(terminal)
        os.close(terminal)
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert await process.wait() == 0
    return screen


async def test_from_tokens_to_the_first_reply_on_three_platforms(tmp_path: Path) -> None:
    async with (
        gated_model() as model,
        TelegramServer() as telegram,
        SlackServer() as slack,
        Wire(flags=1 << 18) as wire,
    ):
        model.gate.set()
        slack.scopes = list(SCOPES)
        addresses = telegram_settings(telegram) | slack_settings(slack)
        addresses |= {"DISCORD_API_URL": wire.api_url, "DISCORD_GATEWAY_URL": wire.gateway_url}
        env = environment(
            tmp_path, model, {name: value for name, value in addresses.items() if not name.endswith("_TOKEN")}
        )
        screen = await answers_to_setup(
            tmp_path,
            env,
            {
                "Slack bot token (xoxb-…)": "xoxb-test",
                "Slack app token (xapp-…)": "xapp-test",
                "Telegram bot token": telegram.token,
                "Discord bot token": wire.token,
            },
        )
        assert screen.count("the token works") == 3
        assert "client_id=900" in screen, "the way into a server"
        assert "memorychat run" in screen
        assert telegram.token not in screen, "what is secret is not shown while it is typed"
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
        async with running(tmp_path, env) as process:
            await eventually(lambda: bool(slack.socket.sockets) and wire.connected(), 60.0)
            telegram.say(ANNA, "hello")
            slack.say(slack_model.BEN, "hello")
            await wire.direct_message("hello")
            dm = slack_model.DM[slack_model.BEN]
            await eventually(lambda: answered(telegram.visible_messages(ANNA), "hello"), 40.0)
            await eventually(lambda: answered(slack.visible_messages(dm, slack_model.BEN), "hello"), 40.0)
            await eventually(lambda: answered(wire.texts(), "hello"), 40.0)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10.0) == 0


async def test_the_manifest_is_printed_for_either_way(tmp_path: Path) -> None:
    async with gated_model() as model:
        env = environment(tmp_path, model, {})
        code, out = await memorychat(tmp_path, env, "slack-manifest", "--socket")
        assert code == 0
        assert json.loads(out)["settings"]["socket_mode_enabled"] is True
        code, out = await memorychat(tmp_path, env, "slack-manifest", "--http", "https://bot.example.org")
        assert code == 0
        assert "https://bot.example.org/webhooks/slack/events" in out
        assert (await memorychat(tmp_path, env, "slack-manifest"))[0] == 1
