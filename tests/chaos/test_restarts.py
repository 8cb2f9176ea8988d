"""The Postgres server is stopped and started again while people write: queue and store go on by themselves."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.queues.postgres import install
from bot.bootstrap import App, Duty, build
from bot.scheduler import Scheduler
from bot.settings import Settings, settings_from
from core.errors import StoreError
from tests.chaos.answers import check_answers
from tests.chaos.bot import environment, gated_model
from tests.chaos.conftest import Figures
from tests.chaos.test_processes import process, seen, settings_of
from tests.chaos.worker import EchoModel, FilePlatform, message
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually
from tests.support.postgres import Server, postgres_server

LONG = bool(os.environ.get("CHAOS_LONG"))
MESSAGES, CHATS, RESTARTS = (2000, 50, 20) if LONG else (240, 12, 3)
REDELIVERED = 0.3
AWAY = 2.0
"""Seconds without a server, at most."""
BETWEEN = 2.0
"""Seconds with one until it is stopped again."""


@pytest.fixture
def server() -> Iterator[Server]:
    """One of this test's own."""
    with postgres_server() as started:
        yield started


@asynccontextmanager
async def crew(settings: Settings, replies: Path) -> AsyncIterator[App]:
    """A gateway and two workers, each with connections of its own; given is the gateway."""
    async with AsyncExitStack() as stack:
        for _ in range(2):
            platforms = [FilePlatform(replies)]
            worker = await stack.enter_async_context(
                build(settings, platforms=platforms, model=EchoModel(), duty=Duty.WORKER)
            )
            await worker.memory.warm()
            await stack.enter_async_context(Scheduler(worker))
        yield await stack.enter_async_context(
            build(settings, platforms=[FilePlatform(replies)], model=EchoModel(), duty=Duty.GATEWAY)
        )


async def writes(app: App, chat: str, names: list[str], seconds: float) -> int:
    """One person, who writes the next message when the last one is acknowledged; how often the platform had to come
    again."""
    again = 0
    for name in names:
        await asyncio.sleep(random.uniform(0, 2 * seconds / len(names)))
        for _ in range(2 if random.random() < REDELIVERED else 1):
            while True:
                try:
                    await app.engine.handle(message(chat, name))
                    break
                except StoreError:
                    again += 1
                    await asyncio.sleep(0.2)
    return again


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_a_server_that_restarts_under_load_loses_nothing_and_nobody_is_answered_twice(
    tmp_path: Path, server: Server, figures: Figures
) -> None:
    replies, url = tmp_path / "replies", server.fresh("restarted")
    install(url)
    settings = settings_from(
        {
            "MEMORYCHAT_HOME": str(tmp_path / "home"),
            "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=",
            "DATABASE_URL": url,
            "QUEUE": "postgres",
            "QUEUE_LEASE": "5s",
        }
    )
    seed = random.randrange(1_000_000)
    random.seed(seed)
    chats = {f"c{chat}": [f"m{number}" for number in range(chat, MESSAGES, CHATS)] for chat in range(CHATS)}
    async with crew(settings, replies) as gateway:
        seconds = RESTARTS * (BETWEEN + AWAY)
        people = [asyncio.create_task(writes(gateway, chat, names, seconds)) for chat, names in chats.items()]
        for number in range(RESTARTS):
            await asyncio.sleep(random.uniform(0.5, BETWEEN))
            await asyncio.to_thread(server.stop, ("fast", "immediate")[number % 2])
            await asyncio.sleep(random.uniform(0.1, AWAY))
            await asyncio.to_thread(server.start)
        refused = sum(await asyncio.gather(*people))
        async with asyncio.timeout(100):
            while not await settled(url):  # noqa: ASYNC110  # other processes' work has no event to wait on
                await asyncio.sleep(0.5)
    assert refused, "the server was never missed"
    labelled = check_answers(replies, chats, f"seed {seed}")
    figures(restarts=RESTARTS, messages=MESSAGES, refused=refused, labelled=labelled)


async def settled(url: str) -> bool:
    """No turn waits or runs, and every reply is with its platform."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute(
            "select (select count(*) from inbox where state in ('accepted', 'running')) "
            "+ (select count(*) from outbox where state <> 'sent')"
        )
        return await found.fetchone() == (0,)


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_gateway_and_workers_are_processes_that_outlive_a_restart(tmp_path: Path, server: Server) -> None:
    """Telegram keeps what nobody confirms; the turn that runs while the server crashes is answered by whoever can."""
    async with gated_model() as model, TelegramServer() as telegram, AsyncExitStack() as stack:
        env = environment(tmp_path, model, settings_of(server.fresh("processes", "template0"), telegram))

        async def begin(*command: str) -> asyncio.subprocess.Process:
            return await stack.enter_async_context(process(tmp_path, env, *command))

        assert await (await begin("db", "upgrade")).wait() == 0, (tmp_path / "run.log").read_text("utf-8")
        crew = [await begin("gateway"), await begin("worker"), await begin("worker")]
        model.gate.set()
        await eventually(lambda: bool(telegram.called("getUpdates")), 90.0)
        telegram.say(ANNA, "one")
        await eventually(lambda: bool(seen(telegram, "You said: one")), 90.0)
        await asyncio.to_thread(server.stop, "fast")
        telegram.say(ANNA, "two")
        await eventually(lambda: "Unavailable" in (tmp_path / "run.log").read_text("utf-8"), 60.0)
        assert telegram.unconfirmed == 1
        model.gate.clear()
        asked = model.asked
        await asyncio.to_thread(server.start)
        await eventually(lambda: model.asked > asked, 90.0)
        await asyncio.to_thread(server.stop, "immediate")
        model.gate.set()
        await asyncio.to_thread(server.start)
        await eventually(lambda: bool(seen(telegram, "You said: two")), 90.0)
        telegram.say(ANNA, "three")
        await eventually(lambda: bool(seen(telegram, "You said: three")), 90.0)
        assert [member.returncode for member in crew] == [None, None, None]
        for words in ("one", "two", "three"):
            answers = seen(telegram, f"You said: {words}")
            assert len([text for text in answers if "may be a duplicate" not in text]) <= 1
        assert "Traceback" not in (tmp_path / "run.log").read_text("utf-8")
