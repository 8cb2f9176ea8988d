"""What only a file on a disk can get wrong."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from adapters.clock import ManualClock
from adapters.stores import migrations
from adapters.stores.sql import SqlStore
from adapters.stores.sql.schema import metadata
from core.batches import AcceptBatch
from core.errors import (
    AnotherRunner,
    ConfigurationError,
    SchemaMismatch,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from core.sealing import Sealed
from tests.contracts.store.cast import Cast

ROOT = Path(__file__).parents[3]
CHILD = """
import asyncio, sys
from adapters.clock import SystemClock
from adapters.stores.sql import SqlStore
from tests.contracts.store.cast import Cast

async def main():
    store = SqlStore(sys.argv[1], SystemClock())
    await store.open()
    cast = Cast(store, SystemClock())
"""


def child(body: str, url: str) -> subprocess.Popen[str]:
    """A process of its own on the same file; `body` is the rest of its `main`."""
    code = CHILD + textwrap.indent(textwrap.dedent(body), "    ") + "\nasyncio.run(main())\n"
    return subprocess.Popen(
        [sys.executable, "-c", code, url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/store.db"


@pytest.fixture
async def sql(url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(url, ManualClock())
    await store.open()
    yield store
    await store.close()


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


async def test_nobody_else_may_read_the_files(sql: SqlStore, url: str) -> None:
    await Cast(sql, ManualClock()).person()
    await sql.take_runner_lock("one")
    folder = path_of(url).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes.keys() >= {"store.db", "store.db-wal", "store.db.runner"}
    assert set(modes.values()) == {0o600}


async def test_what_was_accepted_is_there_after_a_restart(sql: SqlStore, url: str) -> None:
    cast = Cast(sql, ManualClock())
    ann = await cast.person()
    row = await cast.accepted(ann)
    await sql.close()
    again = SqlStore(url, ManualClock())
    await again.open()
    assert await again.get_turn(ann.user.id, row.id) == row
    await again.close()


async def test_a_process_killed_while_writing_leaves_whole_turns(sql: SqlStore, url: str) -> None:
    """Each accept of the child is printed once it returned; the kill comes at any point of a later one."""
    talker = child(
        """
        ann = await cast.person()
        print(ann.user.id, flush=True)
        while True:
            row = await cast.accepted(ann)
            await cast.reply_to(row)
            print(row.id, flush=True)
        """,
        url,
    )
    assert talker.stdout is not None
    user_id = talker.stdout.readline().strip()
    acknowledged = [talker.stdout.readline().strip() for _ in range(20)]
    talker.send_signal(signal.SIGKILL)
    rest, _ = talker.communicate()
    acknowledged += [line for line in rest.splitlines() if len(line) == 36]
    for turn_id in acknowledged:
        assert (await sql.get_turn(user_id, turn_id)).id == turn_id  # type: ignore[arg-type]  # ids as text
        assert await sql.get_outbox(turn_id) is not None  # type: ignore[arg-type]  # ids as text
    with sqlite3.connect(path_of(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        keys, rows = connection.execute(
            "SELECT (SELECT count(*) FROM event_keys), (SELECT count(*) FROM inbox)"
        ).fetchone()
    connection.close()
    assert keys == rows >= len(acknowledged)


async def test_two_processes_write_at_once_and_lose_nothing(sql: SqlStore, url: str) -> None:
    cast = Cast(sql, ManualClock())
    ann = await cast.person()
    body = f"""
        namespace = (await store.get_default_memory_profile("{ann.user.id}")).namespace
        await asyncio.gather(*(cast.remembered(namespace) for _ in range(40)))
    """
    others = [child(body, url) for _ in range(2)]
    await asyncio.gather(*(cast.remembered(ann.namespace) for _ in range(40)))
    for other in others:
        _, errors = await asyncio.to_thread(other.communicate)
        assert other.returncode == 0, errors
    assert await sql.count_mem0_memory_references(ann.namespace) == 120
    assert (await sql.get_namespace_state(ann.namespace)).generation == 120


async def test_a_second_runner_is_refused_until_the_first_is_gone(sql: SqlStore, url: str) -> None:
    runner = child(
        """
        await store.take_runner_lock("first")
        print("locked", flush=True)
        await asyncio.sleep(60)
        """,
        url,
    )
    assert runner.stdout is not None
    assert runner.stdout.readline() == "locked\n"
    with pytest.raises(AnotherRunner):
        await sql.take_runner_lock("second")
    await Cast(sql, ManualClock()).person()
    runner.kill()
    await asyncio.to_thread(runner.communicate)
    await sql.take_runner_lock("second")
    third = SqlStore(url, ManualClock())
    with pytest.raises(AnotherRunner):
        await third.take_runner_lock("third")
    await third.close()


def bytes_of(url: str) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path_of(url).parent.iterdir()))


@pytest.mark.parametrize("many", [1, 40])
async def test_deleted_text_is_in_no_file_after_compacting(sql: SqlStore, url: str, many: int) -> None:
    cast = Cast(sql, ManualClock())
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    canary = "canary-4f1d" * 300
    for person, text in ((ann, canary), (bob, "stays-77aa" * 300)):
        for _ in range(many):
            row = await cast.accepted(person, content=Sealed(text))
            await sql.create_chat_message(person.user.id, cast.said(person, row, content=Sealed(text)))
            await cast.remembered(person.namespace, text=Sealed(text))
    assert b"canary-4f1d" in bytes_of(url)
    await sql.erase_user(ann.user.id, cast.now)
    await sql.compact()
    left = bytes_of(url)
    assert b"canary-4f1d" not in left
    assert b"stays-77aa" in left
    assert ann.user.id.encode() in left, "the receipt names whom it is about"
    assert await sql.count_mem0_memory_references(bob.namespace) == many


async def test_compacting_waits_for_nobody_for_ever(sql: SqlStore, url: str) -> None:
    await Cast(sql, ManualClock()).person()
    reader = sqlite3.connect(path_of(url))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM users").fetchone()
    await Cast(sql, ManualClock()).person()
    hasty = SqlStore(url, ManualClock(), busy_timeout=0.05)
    with pytest.raises(StoreUnavailable):
        await hasty.compact()
    reader.close()
    await hasty.compact()
    await hasty.close()


async def test_a_lock_that_is_held_too_long_is_reported(url: str, sql: SqlStore) -> None:
    hasty = SqlStore(url, ManualClock(), busy_timeout=0.05)
    holder = sqlite3.connect(path_of(url), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await hasty.create_user()
    assert await hasty.get_user_by_email("nobody@example.org") is None, "readers do not wait for writers"
    holder.execute("ROLLBACK")
    holder.close()
    await hasty.create_user()
    await hasty.close()


async def test_a_full_disk_loses_nothing_that_was_accepted(sql: SqlStore, url: str) -> None:
    cast = Cast(sql, ManualClock())
    ann = await cast.person()
    row = await cast.accepted(ann)

    full = SqlStore(url, ManualClock(), pragmas=("max_page_count=1",))
    batch = AcceptBatch(row=cast.row(ann, content=Sealed("x" * 2_000_000)))
    with pytest.raises(StoreFull):
        await full.accept(batch)
    assert not await full.has_event(batch.row.event_key)
    assert await full.get_turn(ann.user.id, row.id) == row
    await full.close()
    assert await sql.accept(batch) is not None


def test_a_folder_that_may_not_be_written_is_named_as_such() -> None:
    """In a process that gave up root's rights, which stop at no permission."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o555)
    probe = textwrap.dedent(
        """
        import asyncio, os, sys
        from adapters.clock import SystemClock
        from adapters.stores.sql import SqlStore
        from core.errors import StoreReadOnly

        async def main():
            if os.getuid() == 0:
                os.setuid(65534)
            for name in ("store.db", "deeper/store.db"):
                store = SqlStore(f"{sys.argv[1]}/{name}", SystemClock())
                try:
                    await store.open()
                except StoreReadOnly as error:
                    print("refused:", error.user_message)
                await store.close()
        asyncio.run(main())
        """
    )
    command = [sys.executable, "-c", probe, f"sqlite:///{home}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("refused: I may not write to my home folder") == 2, done.stderr
    assert list(home.iterdir()) == []
    home.rmdir()


async def test_a_file_that_may_not_be_written_is_named_as_such(sql: SqlStore, url: str) -> None:
    await Cast(sql, ManualClock()).person()
    reading = SqlStore(url, ManualClock(), pragmas=("query_only=ON",))
    with pytest.raises(StoreReadOnly):
        await reading.create_user()
    await reading.close()


async def test_a_newer_database_is_refused_and_left_alone(sql: SqlStore, url: str) -> None:
    await sql.compact()
    await sql.close()
    connection = sqlite3.connect(path_of(url), isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = path_of(url).read_bytes()
    older = SqlStore(url, ManualClock())
    with pytest.raises(SchemaMismatch) as caught:
        await older.open()
    assert "newer version" in caught.value.user_message
    assert "9999" in caught.value.user_message
    await older.close()
    assert path_of(url).read_bytes() == before
    assert migrations.current(url) == "9999"


async def test_somebody_elses_database_is_refused_and_left_alone(url: str) -> None:
    path_of(url).parent.mkdir()
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path_of(url).read_bytes()
    store = SqlStore(url, ManualClock())
    with pytest.raises(SchemaMismatch) as caught:
        await store.open()
    assert "not MemoryChat's" in caught.value.user_message
    await store.close()
    assert path_of(url).read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(url: str) -> None:
    path_of(url).parent.mkdir()
    path_of(url).write_text("not a database, " * 100)
    store = SqlStore(url, ManualClock())
    with pytest.raises(StoreError) as caught:
        await store.open()
    assert "damaged" in caught.value.user_message
    await store.close()


def test_the_version_of_a_database_can_be_asked_without_making_one(url: str) -> None:
    assert migrations.current(url) is None
    assert not path_of(url).parent.exists()
    migrations.upgrade(url)
    assert migrations.current(url) == migrations.HEAD
    migrations.upgrade(url)


def test_migrations_make_the_schema_that_the_code_expects(url: str) -> None:
    migrations.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    folder = Path(migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == migrations.HEAD


async def test_an_interrupted_upgrade_changes_nothing_and_can_be_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlStore(url, ManualClock(), pragmas=())
    monkeypatch.setattr("sqlalchemy.schema.CreateIndex.__init__", _cut_off)
    with pytest.raises(KeyboardInterrupt):
        migrations.upgrade(url)
    monkeypatch.undo()
    assert migrations.current(url) is None
    await store.open()
    assert migrations.current(url) == migrations.HEAD
    await store.close()


def _cut_off(*_args: object, **_options: object) -> None:
    raise KeyboardInterrupt


async def test_processes_that_start_at_once_upgrade_once(url: str) -> None:
    starting = [child("print((await store.create_user()).id)", url) for _ in range(3)]
    for process in starting:
        output, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, errors
        assert len(output.strip()) == 36


@pytest.mark.parametrize("wrong", ["sqlite://", "sqlite:///:memory:", "mysql://host/db"])
def test_a_url_without_a_file_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlStore(wrong, ManualClock())
    assert "sqlite:///" in caught.value.user_message


async def test_reads_see_every_write_that_came_before(sql: SqlStore) -> None:
    cast = Cast(sql, ManualClock())
    ann = await cast.person()

    async def write_and_read() -> None:
        record = await cast.remembered(ann.namespace)
        assert await sql.get_mem0_memory_reference(ann.user.id, record.id) == record

    await asyncio.gather(*(write_and_read() for _ in range(50)))


async def test_a_closed_store_says_so(url: str) -> None:
    store = SqlStore(url, ManualClock())
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.create_user()
