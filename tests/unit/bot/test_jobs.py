"""What runs by the clock, and that each tick of it runs once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.stores.backup import restore
from bot.bootstrap import App, build
from bot.scheduler import Job, Scheduler, jobs_of
from bot.settings import settings_from
from core.errors import ConfigurationError, StoreUnavailable
from core.types import Usage
from tests.support.polling import eventually

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def values(folder: Path, **more: str) -> dict[str, str]:
    return {"MEMORYCHAT_HOME": str(folder / "home"), "MEMORYCHAT_MASTER_KEY": KEY, **more}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    given = values(tmp_path, BACKUP_FOLDER=str(tmp_path / "copies"), BACKUP_KEEP="2")
    async with build(settings_from(given), answering=False) as built:
        yield built


def job(app: App, name: str) -> Job:
    return next(item for item in jobs_of(app) if item.name == name)


def test_all_that_has_to_be_done_by_the_clock_is_there(app: App) -> None:
    assert [item.name for item in jobs_of(app)] == [
        *("outbox-retry", "learn-quiet", "incognito-expiry", "purge", "retention"),
        *("reindex", "index-verify", "compact", "usage", "backup"),
    ]


async def test_one_tick_runs_in_one_process_and_what_is_local_in_each(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    async def shared() -> None:
        ran.append("shared")

    async def local() -> None:
        ran.append("local")

    day = timedelta(days=1)
    jobs = [Job("shared", day, shared, ""), Job("local", day, local, "", local=True)]
    for scheduler in (Scheduler(app), Scheduler(app)):
        for _ in range(2):
            for each in jobs:
                await scheduler._run(each)
    assert sorted(ran) == ["local", "local", "shared"]


async def test_a_job_that_fails_is_told_and_comes_again(app: App, caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    async def fail() -> None:
        tries.append(1)
        raise StoreUnavailable("gone")

    scheduler = Scheduler(app)
    failing = Job("failing", timedelta(seconds=1), fail, "")
    await scheduler._run(failing)
    assert "job failing failed: StoreUnavailable" in caplog.text
    await asyncio.sleep(1 - app.clock.now().timestamp() % 1)
    await scheduler._run(failing)
    assert len(tries) == 2


async def test_jobs_begin_by_themselves(app: App) -> None:
    async with Scheduler(app):
        runs = "select count(*) from job_runs where job = 'outbox-retry'"
        with sqlite3.connect(app.settings.home.folder / "memorychat.db") as connection:
            await eventually(lambda: connection.execute(runs).fetchone() != (0,), 20)


async def test_backups_are_made_kept_in_number_and_can_be_put_back(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.store.create_user(display_name="Ann")
    now = app.clock.now()
    for number in range(3):
        monkeypatch.setattr(app.clock, "now", lambda number=number: now + timedelta(days=number))
        await job(app, "backup").run()
    copies = sorted((tmp_path / "copies").iterdir())
    assert len(copies) == 2
    assert f"{now + timedelta(days=2):%Y%m%d}" in copies[-1].name
    restore(copies[-1], tmp_path / "again.db")
    with sqlite3.connect(tmp_path / "again.db") as connection:
        assert connection.execute("select display_name from users").fetchall() == [("Ann",)]


def test_a_database_server_has_backups_of_its_own(tmp_path: Path) -> None:
    given = values(tmp_path, BACKUP_FOLDER=str(tmp_path), DATABASE_URL="postgresql://me@127.0.0.1/db")
    with pytest.raises(ConfigurationError, match="pg_dump"):
        settings_from(given)


async def test_an_idle_incognito_talk_leaves_memory_by_itself(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.ephemeral.put("turn:1", "a secret", timedelta(minutes=5))
    await app.ephemeral.append("history:1", "another", timedelta(hours=5))
    assert await app.ephemeral.expire() == 0
    later = app.clock.monotonic() + 600
    monkeypatch.setattr(app.clock, "monotonic", lambda: later)
    await job(app, "incognito-expiry").run()
    assert "a secret" not in repr(vars(app.ephemeral))
    assert await app.ephemeral.items("history:1") == ["another"]


async def test_yesterdays_use_is_summed_up_without_names(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    yesterday = (app.clock.now() - timedelta(days=1)).date()
    for _ in range(2):
        user = await app.store.create_user()
        await app.store.add_usage(user.id, yesterday, Usage(3, 100, 20))
    await job(app, "usage").run()
    assert "6 messages, 200 tokens read, 40 written" in caplog.text
    assert "rolled up" not in caplog.text


async def test_days_before_the_last_month_become_a_row_a_month(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    last_month = (app.clock.now().date().replace(day=1) - timedelta(days=1)).replace(day=1)
    before = last_month - timedelta(days=1)
    user = await app.store.create_user()
    for day in (before, before - timedelta(days=1), last_month + timedelta(days=1)):
        await app.store.add_usage(user.id, day, Usage(3, 100, 20))
    await job(app, "usage").run()
    assert "usage of 2 days of people rolled up into months" in caplog.text
    assert await app.store.get_usage(None, before.replace(day=1)) == Usage(6, 200, 40)
    assert await app.store.get_usage(None, last_month + timedelta(days=1)) == Usage(3, 100, 20)
