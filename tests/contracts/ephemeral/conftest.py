"""Every ephemeral store there is; the Redis one on a real server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adapters.clock import ManualClock
from adapters.ephemeral.process import ProcessEphemeralStore
from adapters.ephemeral.redis import RedisEphemeralStore
from core.ports import EphemeralStore


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """A server on a free port of this machine; its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("redis-server is not installed: these tests need the Debian package redis-server")
    process, port = _start(binary, folder, options)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def _start(binary: str, folder: Path, options: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], int]:
    """Tries another port when somebody else was quicker to take one."""
    for _ in range(5):
        port = _free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and process.poll() is None:
            if _is_ready(port):
                return process, port
            time.sleep(0.01)
        process.kill()
        process.wait()
    pytest.fail("redis-server does not start")


def _is_ready(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis"), "--save", "", "--appendonly", "no") as url:
        yield url


@pytest.fixture
async def redis_store(redis_url: str) -> AsyncIterator[RedisEphemeralStore]:
    store = RedisEphemeralStore(redis_url, prefix=f"{uuid.uuid4()}:")
    yield store
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["process", pytest.param("redis", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest, clock: ManualClock) -> EphemeralStore:
    if request.param == "process":
        return ProcessEphemeralStore(clock)
    redis_store: RedisEphemeralStore = request.getfixturevalue("redis_store")
    return redis_store
