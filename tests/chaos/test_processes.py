"""`memorychat gateway` and `memorychat worker` as processes of their own, on Postgres, between emulated platforms."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.bot import ROOT, GatedModel, environment, gated_model
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually
from tests.support.postgres import Server, postgres_server

pytestmark = pytest.mark.long

MAIN = ("-c", "from bot.cli import main; main()")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


@pytest.fixture
async def model() -> AsyncIterator[GatedModel]:
    async with gated_model() as model:
        yield model


@asynccontextmanager
async def process(folder: Path, env: Mapping[str, str], *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "run.log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable, *MAIN, *command, env=env, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


def settings_of(url: str, telegram: TelegramServer) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "QUEUE": "postgres",
        "MEMORYCHAT_MASTER_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "PYTHONPATH": str(ROOT),
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_BASE_URL": telegram.base_url,
        "TELEGRAM_BASE_FILE_URL": telegram.base_file_url,
    }


def seen(telegram: TelegramServer, words: str) -> list[str]:
    return [text for text in telegram.visible_messages(ANNA) if words in text]


@pytest.mark.timeout(120)
async def test_any_process_may_die_and_everybody_is_answered_once(
    tmp_path: Path, server: Server, model: GatedModel
) -> None:
    async with TelegramServer() as telegram, AsyncExitStack() as stack:
        env = environment(tmp_path, model, settings_of(server.fresh("split", "template0"), telegram))

        async def begin(*command: str) -> asyncio.subprocess.Process:
            return await stack.enter_async_context(process(tmp_path, env, *command))

        assert await (await begin("db", "upgrade")).wait() == 0, (tmp_path / "run.log").read_text("utf-8")
        gateway, first = await begin("gateway"), await begin("worker")
        await eventually(lambda: bool(telegram.called("getUpdates")), 40.0)
        telegram.say(ANNA, "/incognito on")
        await eventually(lambda: bool(seen(telegram, "several processes")), 30.0)
        telegram.say(ANNA, "one")
        await eventually(lambda: model.asked >= 1, 30.0)
        first.kill()
        await first.wait()
        model.gate.set()
        await begin("worker")
        await eventually(lambda: bool(seen(telegram, "You said: one")), 40.0)
        standby = await begin("gateway")
        gateway.kill()
        await gateway.wait()
        telegram.say(ANNA, "two")
        await eventually(lambda: bool(seen(telegram, "You said: two")), 40.0)
        assert standby.returncode is None
        assert len(seen(telegram, "You said: one")) == 1
        assert len(seen(telegram, "You said: two")) == 1
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


async def test_a_worker_without_a_shared_queue_is_refused(tmp_path: Path, model: GatedModel) -> None:
    env = environment(tmp_path, model, {"PYTHONPATH": str(ROOT)})
    async with process(tmp_path, env, "worker") as refused:
        assert await asyncio.wait_for(refused.wait(), 30) == 1
    assert "QUEUE=postgres" in (tmp_path / "run.log").read_text("utf-8")
