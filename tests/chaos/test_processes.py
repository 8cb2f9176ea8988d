"""`gateway`, `worker`s and `web` as processes of their own, on Postgres, between emulated platforms."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
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


@pytest.mark.timeout(300)
async def test_any_process_may_die_and_everybody_is_answered_once(
    tmp_path: Path, server: Server, model: GatedModel
) -> None:
    async with TelegramServer() as telegram, AsyncExitStack() as stack:
        env = environment(tmp_path, model, settings_of(server.fresh("split", "template0"), telegram))

        async def begin(*command: str) -> asyncio.subprocess.Process:
            return await stack.enter_async_context(process(tmp_path, env, *command))

        assert await (await begin("db", "upgrade")).wait() == 0, (tmp_path / "run.log").read_text("utf-8")
        gateway, first = await begin("gateway"), await begin("worker")
        await eventually(lambda: bool(telegram.called("getUpdates")), 90.0)
        telegram.say(ANNA, "/incognito on")
        await eventually(lambda: bool(seen(telegram, "several processes")), 30.0)
        telegram.say(ANNA, "one")
        await eventually(lambda: model.asked >= 1, 30.0)
        first.kill()
        await first.wait()
        model.gate.set()
        await begin("worker")
        await eventually(lambda: bool(seen(telegram, "You said: one")), 90.0)
        standby = await begin("gateway")
        gateway.kill()
        await gateway.wait()
        telegram.say(ANNA, "two")
        await eventually(lambda: bool(seen(telegram, "You said: two")), 90.0)
        assert standby.returncode is None
        assert len(seen(telegram, "You said: one")) == 1
        assert len(seen(telegram, "You said: two")) == 1
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Visitor:
    """Somebody who talks over the API, in one session."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._session = ""

    async def arrive(self) -> None:
        """Once the API is there: sign up, and begin a session."""
        async with asyncio.timeout(90):
            while not await self._is_ready():  # noqa: ASYNC110 # another process has no event to wait for
                await asyncio.sleep(0.1)
        account = {"email": "ana@example.org", "password": "correct horse battery"}
        signed = await self._http.post("/api/v1/auth/signup", json=account)
        self._http.headers["Authorization"] = f"Bearer {signed.json()['access_token']}"
        begun = await self._http.post("/api/v1/sessions", json={})
        self._session = begun.json()["id"]

    async def _is_ready(self) -> bool:
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx2.TransportError:
            return False

    async def asks(self, text: str) -> str:
        answer = await self._http.post("/api/v1/chat", json={"session_id": self._session, "message": text})
        assert answer.is_success, answer.text
        return str(answer.json()["reply"])


@pytest.mark.timeout(300)
async def test_web_gateway_and_workers_share_one_database(tmp_path: Path, server: Server, model: GatedModel) -> None:
    """What is asked over the API is answered by the process that took it, the rest by workers."""
    model.gate.set()
    async with TelegramServer() as telegram, AsyncExitStack() as stack:
        port = free_port()
        given = settings_of(server.fresh("shared", "template0"), telegram) | {"HTTP_PORT": str(port)}
        env = environment(tmp_path, model, given)

        async def begin(*command: str) -> asyncio.subprocess.Process:
            return await stack.enter_async_context(process(tmp_path, env, *command))

        assert await (await begin("db", "upgrade")).wait() == 0, (tmp_path / "run.log").read_text("utf-8")
        web, _gateway = await begin("web"), await begin("gateway")
        first, second = await begin("worker"), await begin("worker")
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30))
        ana = Visitor(http)
        await ana.arrive()
        assert "You said: over the API" in await ana.asks("over the API")
        await eventually(lambda: bool(telegram.called("getUpdates")), 90.0)
        telegram.say(ANNA, "one")
        await eventually(lambda: bool(seen(telegram, "You said: one")), 90.0)
        # With no worker left the API still answers, and what the gateway hears waits for the next worker.
        for worker in (first, second):
            worker.kill()
            await worker.wait()
        telegram.say(ANNA, "two")
        assert "You said: alone" in await ana.asks("alone")
        assert not seen(telegram, "You said: two")
        # With no web process left the platforms are still answered.
        web.kill()
        await web.wait()
        await begin("worker")
        await eventually(lambda: bool(seen(telegram, "You said: two")), 90.0)
        alone = await begin("run")
        assert await asyncio.wait_for(alone.wait(), 90) == 1
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")


@pytest.mark.timeout(300)
async def test_what_a_platform_pushes_goes_through_the_web_process(
    tmp_path: Path, server: Server, model: GatedModel
) -> None:
    model.gate.set()
    async with TelegramServer() as telegram, AsyncExitStack() as stack:
        port = free_port()
        given = settings_of(server.fresh("pushed", "template0"), telegram) | {
            "HTTP_PORT": str(port),
            "TELEGRAM_WEBHOOK_URL": f"http://127.0.0.1:{port}/webhooks/telegram",
            "TELEGRAM_WEBHOOK_SECRET": "said-by-telegram",
        }
        env = environment(tmp_path, model, given)

        async def begin(*command: str) -> asyncio.subprocess.Process:
            return await stack.enter_async_context(process(tmp_path, env, *command))

        assert await (await begin("db", "upgrade")).wait() == 0
        idle = await begin("gateway")
        assert await asyncio.wait_for(idle.wait(), 90) == 2
        assert "memorychat web" in (tmp_path / "run.log").read_text("utf-8")
        await begin("web")
        await eventually(lambda: bool(telegram.called("setWebhook")), 90.0)
        telegram.say(ANNA, "pushed")
        await eventually(lambda: telegram.unconfirmed == 0, 20.0)
        assert not seen(telegram, "You said: pushed")
        await begin("worker")
        await eventually(lambda: bool(seen(telegram, "You said: pushed")), 90.0)
        assert len(seen(telegram, "You said: pushed")) == 1


async def test_a_worker_without_a_shared_queue_is_refused(tmp_path: Path, model: GatedModel) -> None:
    env = environment(tmp_path, model, {"PYTHONPATH": str(ROOT)})
    async with process(tmp_path, env, "worker") as refused:
        assert await asyncio.wait_for(refused.wait(), 60) == 2
    assert "QUEUE=postgres" in (tmp_path / "run.log").read_text("utf-8")
