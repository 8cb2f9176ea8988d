"""`memorychat backup`, `restore` and `jobs`, as an operator types them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.stores.backup import backup as copy
from adapters.stores.migrations import upgrade
from adapters.stores.sql import SqlStore
from bot.cli import main
from bot.logs import QUIET
from bot.settings import get_settings
from core.errors import AnotherRunner, NotFound, SchemaMismatch, StoreError
from core.types import TurnId, TurnState
from tests.support.stage import Stage

Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """A command line in a home of its own; logging is put back as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in QUIET}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORYCHAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: str) -> int:
        get_settings.cache_clear()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        return int(end.value.code or 0)

    yield run
    get_settings.cache_clear()
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "memorychat.db"
    upgrade(f"sqlite:///{path}")
    return path


async def people(database: Path, *names: str) -> list[str]:
    """Add people; the names of all that there are."""
    store = SqlStore(f"sqlite:///{database}", SystemClock())
    await store.open()
    for name in names:
        await store.create_user(display_name=name)
    await store.close()
    with sqlite3.connect(database) as connection:
        return [name for (name,) in connection.execute("select display_name from users order by created_at")]


def test_a_backup_is_private_never_overwrites_and_says_so(
    command: Command, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "copy.db"
    assert command("backup", str(file)) == 0
    assert "keys" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    assert command("backup", str(file)) == 2
    assert "never overwrites" in capsys.readouterr().err
    assert command("backup", str(tmp_path / "no" / "folder.db")) == 2


def test_there_is_nothing_to_back_up_or_restore_yet(command: Command, tmp_path: Path) -> None:
    assert command("backup", str(tmp_path / "copy.db")) == 1
    assert not (tmp_path / "copy.db").exists()
    assert command("restore", str(tmp_path / "copy.db")) == 1


async def test_what_is_restored_is_what_was_backed_up(database: Path, tmp_path: Path) -> None:
    from adapters.stores.backup import restore

    file = tmp_path / "copy.db"
    assert await people(database, "Ann") == ["Ann"]
    # While the bot runs, its newest rows still in the write-ahead log.
    store = SqlStore(f"sqlite:///{database}", SystemClock())
    await store.open()
    await store.take_runner_lock("bot")
    await store.create_user(display_name="Ben")
    assert copy(database, file) > 0
    await store.create_user(display_name="Cleo")
    with pytest.raises(AnotherRunner):
        restore(file, database)
    assert len(await people(database)) == 3
    await store.close()
    restore(file, database)
    assert await people(database) == ["Ann", "Ben"]
    new_home = tmp_path / "new" / "memorychat.db"
    restore(file, new_home)
    assert await people(new_home) == ["Ann", "Ben"]


async def test_a_bad_backup_leaves_the_database_alone(database: Path, tmp_path: Path) -> None:
    from adapters.stores.backup import restore

    await people(database, "Ann")
    newer, foreign, damaged = (tmp_path / name for name in ("newer.db", "foreign.db", "damaged.db"))
    copy(database, newer)
    with sqlite3.connect(newer) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table songs (title text)")
    copy(database, damaged)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    for bad, error in ((newer, SchemaMismatch), (foreign, SchemaMismatch), (damaged, StoreError)):
        with pytest.raises(error):
            restore(bad, database)
    with pytest.raises(NotFound):
        restore(tmp_path / "nothing.db", database)
    assert await people(database) == ["Ann"]


def test_a_server_is_backed_up_with_its_own_tools(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1/db")
    assert command("backup", str(tmp_path / "copy.db")) == 2
    assert "pg_dump" in capsys.readouterr().err


def test_jobs_are_listed_and_run_by_name(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("jobs", "list") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"outbox-retry", "learn-quiet", "purge", "retention", "compact"} <= set(names)
    for name in names:
        assert command("jobs", "run", name) == 0
        assert f"{name} has run." in capsys.readouterr().out
    assert command("jobs", "run", "nonsense") == 1
    assert "jobs list" in capsys.readouterr().err


async def failed_turn(database: Path) -> TurnId:
    store = SqlStore(f"sqlite:///{database}", SystemClock())
    await store.open()
    row = await (await Stage.set(store)).accept()
    now = SystemClock().now()
    await store.claim_turn(row.stamp.conversation_id, row.lane, "w", now + timedelta(seconds=9), now)
    await store.end_turn(row.id, "w", TurnState.FAILED)
    await store.close()
    return row.id


def test_turns_that_were_given_up_are_listed_tried_again_and_dropped(
    command: Command, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("queue", "list") == 0
    assert "No turn" in capsys.readouterr().out
    turn = asyncio.run(failed_turn(database))
    command("queue", "list")
    shown = capsys.readouterr().out
    assert turn in shown
    assert "tries: 1" in shown
    assert command("queue", "retry", turn) == 0
    assert command("queue", "retry", turn) == 1
    with sqlite3.connect(database) as connection:
        assert connection.execute("select state from inbox").fetchall() == [("accepted",)]
        connection.execute("update inbox set state = 'failed'")
    assert command("queue", "drop", turn) == 0
    with sqlite3.connect(database) as connection:
        assert connection.execute("select count(*) from inbox").fetchall() == [(0,)]
