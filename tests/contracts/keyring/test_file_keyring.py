"""What a keyring file promises beyond the contract: its bytes, its permissions, its durability."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.keys import file as file_module
from adapters.keys.file import FileKeyring
from adapters.keys.keyring import SqlKeyring
from adapters.keys.master import MasterKey
from core.errors import StoreError, StoreReadOnly

MAKE_A_KEY_AND_DIE = """
import asyncio, base64, os, signal, sys
from pathlib import Path
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey

async def main():
    keyring = FileKeyring(Path(sys.argv[1]), MasterKey((base64.b64decode(sys.argv[2]),)))
    await keyring.open(data_present=False)
    key = await keyring.current("session:1")
    print(key.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""

MAKE_MANY_KEYS = """
import asyncio, base64, sys
from pathlib import Path
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey

async def main():
    keyring = FileKeyring(Path(sys.argv[1]), MasterKey((base64.b64decode(sys.argv[2]),)))
    await keyring.open(data_present=False)
    for n in range(60):
        print((await keyring.current(f"session:{n}")).id)
    await keyring.close()

asyncio.run(main())
"""


async def run(script: str, path: Path, master: MasterKey) -> tuple[int | None, list[str]]:
    """Exit code and lines of another process that works on the same keyring."""
    secret = b64encode(master.keys[0]).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), secret, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode().split()


async def opened(path: Path, master: MasterKey) -> FileKeyring:
    keyring = FileKeyring(path, master)
    await keyring.open(data_present=False)
    return keyring


def wrapped_keys(path: Path) -> dict[str, bytes]:
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT scope, wrapped FROM memorychat_keys").fetchall())
    finally:
        connection.close()


def remnants(path: Path, wrapped: bytes) -> list[bytes]:
    """Every part of 16 bytes that any file in the keyring's folder still holds."""
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    return [part for part in (wrapped[i : i + 16] for i in range(len(wrapped) - 15)) if part in content]


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keyring.db"
    keyring = await opened(path, MasterKey.generate())
    await keyring.current("session:1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await keyring.close()


@pytest.mark.parametrize("seed", range(3))
async def test_destroyed_keys_leave_no_byte(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "keyring.db"
    keyring = await opened(path, MasterKey.generate())
    alive = [f"session:{chance.getrandbits(64)}" for _ in range(400)]
    await asyncio.gather(*(keyring.current(scope) for scope in alive))
    for _ in range(60):
        wrapped = wrapped_keys(path)
        doomed = alive.pop(chance.randrange(len(alive)))
        assert remnants(path, wrapped[doomed])
        await keyring.destroy(doomed)
        assert not remnants(path, wrapped[doomed])
        alive.append(f"namespace:{chance.getrandbits(64)}")
        await keyring.current(alive[-1])
    await keyring.close()


async def test_many_destroyed_at_once_leave_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "keyring.db"
    keyring = await opened(path, MasterKey.generate())
    scopes = [f"session:{n}" for n in range(300)]
    await asyncio.gather(*(keyring.current(scope) for scope in scopes))
    wrapped = wrapped_keys(path)
    await keyring.destroy(*scopes[::2])
    for scope in scopes:
        assert bool(remnants(path, wrapped[scope])) is (scope in scopes[1::2])
    await keyring.close()


async def test_a_copy_in_an_unused_part_of_the_file_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "keyring.db"
    keyring = await opened(path, MasterKey.generate())
    await keyring.current("session:1")
    wrapped = wrapped_keys(path)["session:1"]
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA secure_delete=OFF; CREATE TABLE moved AS SELECT * FROM memorychat_keys")
    connection.executescript("DROP TABLE moved")
    connection.close()
    await keyring.destroy("session:1")
    assert not remnants(path, wrapped)
    await keyring.close()


async def test_a_copy_left_by_an_interrupted_destruction_goes_at_the_next_start(tmp_path: Path) -> None:
    path, master = tmp_path / "keyring.db", MasterKey.generate()
    keyring = await opened(path, master)
    await asyncio.gather(*(keyring.current(f"session:{n}") for n in range(200)))
    await keyring.close()
    wrapped = wrapped_keys(path)["session:7"]
    # As a crash between the deletion and the search would leave it: deleted, but still in an unused part of the file.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("DELETE FROM memorychat_keys WHERE scope = 'session:7'")
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()
    assert remnants(path, wrapped)
    await (await opened(path, master)).close()
    assert not remnants(path, wrapped)


async def test_more_scopes_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "REMEMBERED", 3)
    keyring = await opened(tmp_path / "keyring.db", MasterKey.generate())
    keys = [await keyring.current(f"session:{n}") for n in range(10)]
    for _ in range(2):
        assert [await keyring.current(f"session:{n}") for n in range(10)] == keys
    await keyring.close()


async def test_new_keys_leave_the_known_ones_remembered(tmp_path: Path) -> None:
    """Newcomers bring keys all the time: nobody else's may have to be read again for that."""
    keyring = await opened(tmp_path / "keyring.db", MasterKey.generate())
    known = [await keyring.current(f"session:{n}") for n in range(5)]
    asked: list[str] = []

    def ask(*execution: object) -> None:
        asked.append(str(execution[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", ask)
    try:
        await keyring.current("session:new")
        of_the_newcomer = len(asked)
        assert [await keyring.current(f"session:{n}") for n in range(5)] == known
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", ask)
    assert len(asked) == of_the_newcomer > 0
    await keyring.close()


@pytest.mark.parametrize("between", ["before the addition", "in the middle of it", "after it"])
async def test_what_another_process_destroys_is_not_remembered_beyond_an_addition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    path, master = tmp_path / "keyring.db", MasterKey.generate()
    keyring, other = await opened(path, master), await opened(path, master)
    doomed, kept = await keyring.current("session:doomed"), await keyring.current("session:kept")
    loop = asyncio.get_running_loop()
    add = SqlKeyring._add

    def destroy_then_add(self: SqlKeyring, rows: list[dict[str, object]]) -> None:
        asyncio.run_coroutine_threadsafe(other.destroy("session:doomed"), loop).result(10)
        add(self, rows)

    if between == "before the addition":
        await other.destroy("session:doomed")
    if between == "in the middle of it":
        monkeypatch.setattr(SqlKeyring, "_add", destroy_then_add)
    await keyring.current("session:new")
    monkeypatch.undo()
    if between == "after it":
        await other.destroy("session:doomed")
    assert (await keyring.current("session:doomed")).id != doomed.id
    assert await keyring.current("session:kept") == kept
    await asyncio.gather(keyring.close(), other.close())


async def test_a_key_outlives_a_kill(tmp_path: Path) -> None:
    path, master = tmp_path / "keyring.db", MasterKey.generate()
    code, printed = await run(MAKE_A_KEY_AND_DIE, path, master)
    assert code == -signal.SIGKILL
    keyring = FileKeyring(path, master)
    await keyring.open(data_present=True)
    assert (await keyring.get(printed[0])).scope == "session:1"
    await keyring.close()


async def test_processes_at_once_agree_on_every_key(tmp_path: Path) -> None:
    path, master = tmp_path / "keyring.db", MasterKey.generate()
    (one, first), (two, second) = await asyncio.gather(*(run(MAKE_MANY_KEYS, path, master) for _ in range(2)))
    assert one == two == 0
    assert first == second
    assert len(set(first)) == 60


async def test_a_file_that_is_no_keyring_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keyring.db"
    path.write_bytes(b"something else entirely" * 100)
    keyring = FileKeyring(path, MasterKey.generate())
    with pytest.raises(StoreError):
        await keyring.open(data_present=False)
    assert path.read_bytes() == b"something else entirely" * 100
    await keyring.close()


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keyring = FileKeyring(tmp_path / "file" / "keyring.db", MasterKey.generate())
    with pytest.raises(StoreReadOnly):
        await keyring.open(data_present=False)
    await keyring.close()


async def test_a_failure_reaches_everybody_who_waits(tmp_path: Path) -> None:
    path = tmp_path / "keyring.db"
    keyring = await opened(path, MasterKey.generate())
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE memorychat_keys")
    connection.close()
    waiting = (keyring.current(f"session:{n}") for n in range(3))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    await keyring.close()
