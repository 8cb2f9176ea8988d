"""The README's way from a token to the first reply, walked with real processes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.chaos.bot import ROOT, environment, gated_model, running
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


async def test_the_manifest_is_printed_for_either_way(tmp_path: Path) -> None:
    async with gated_model() as model:
        env = environment(tmp_path, model, {})
        code, out = await memorychat(tmp_path, env, "slack-manifest", "--socket")
        assert code == 0
        assert json.loads(out)["settings"]["socket_mode_enabled"] is True
        code, out = await memorychat(tmp_path, env, "slack-manifest", "--http", "https://bot.example.org")
        assert code == 0
        assert "https://bot.example.org/slack/events" in out
        assert (await memorychat(tmp_path, env, "slack-manifest"))[0] == 1
