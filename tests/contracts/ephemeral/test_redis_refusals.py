"""Which Redis may hold an incognito talk."""

from __future__ import annotations

import asyncio
import socket
import uuid
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from adapters.clock import ManualClock
from adapters.ephemeral import redis as redis_module
from adapters.ephemeral.redis import RedisEphemeralStore
from core.breaker import Breaker, Circuit
from core.errors import IncognitoUnavailable, StoreUnavailable
from tests.contracts.ephemeral.conftest import redis_server

HOUR = timedelta(hours=1)


def content_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.services
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--save", "60 1", "--appendonly", "no"), "snapshots"),
        (("--save", "", "--appendonly", "yes"), "append-only"),
        (("--save", "", "--rename-command", "CONFIG", ""), "CONFIG GET"),
    ],
)
async def test_a_redis_that_may_write_to_a_disk_is_refused(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    with redis_server(tmp_path, *options) as url:
        store = RedisEphemeralStore(url)
        assert reason in str(await store.unavailable())
        for write in (store.put, store.append):
            with pytest.raises(IncognitoUnavailable):
                await write("turn:1", "canary-canary", HOUR)
        await store.close()
    assert b"canary" not in content_of(tmp_path)


@pytest.mark.services
async def test_a_redis_with_a_replica_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with redis_server(tmp_path / "one", "--save", "", "--repl-diskless-sync-delay", "0") as url:
        store = RedisEphemeralStore(url)
        assert await store.unavailable() is None
        port = str(urlsplit(url).port)
        with redis_server(tmp_path / "two", "--save", "", "--replicaof", f"127.0.0.1 {port}") as replica_url:
            async with asyncio.timeout(20):
                while await store.unavailable() is None:  # noqa: ASYNC110  # the servers find each other by themselves
                    await asyncio.sleep(0.01)
            assert "replicas" in str(await store.unavailable())
            replica = RedisEphemeralStore(replica_url)
            assert "replicas" in str(await replica.unavailable())
            await replica.close()
        await store.close()


@pytest.mark.services
async def test_persistence_switched_on_later_is_noticed(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "TRUST_SECONDS", 0.0)
    store = RedisEphemeralStore(redis_url, prefix=f"{uuid.uuid4()}:")
    await store.put("turn:1", "a", HOUR)
    admin = Redis.from_url(redis_url)
    try:
        await admin.config_set("save", "3600 1")
        with pytest.raises(IncognitoUnavailable):
            await store.put("turn:2", "b", HOUR)
        assert await store.get("turn:2") is None
    finally:
        await admin.config_set("save", "")
        await admin.aclose()
    await store.put("turn:2", "b", HOUR)
    await store.close()


async def test_a_redis_that_is_away_holds_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody answers there
        store = RedisEphemeralStore(f"redis://127.0.0.1:{taken.getsockname()[1]}/0")
        assert "cannot be reached" in str(await store.unavailable())
        for call in (store.get("turn:1"), store.put("turn:1", "a", HOUR), store.delete("turn:1")):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert "127.0.0.1" not in str(caught.value)
        await store.close()


@pytest.mark.services
async def test_what_one_process_writes_another_reads(redis_url: str) -> None:
    prefix = f"{uuid.uuid4()}:"
    one, two = RedisEphemeralStore(redis_url, prefix), RedisEphemeralStore(redis_url, prefix)
    await one.append("history:1", "hello", HOUR)
    await one.close()
    assert await two.items("history:1") == ["hello"]
    await two.close()


@pytest.mark.services
async def test_prefixes_keep_instances_apart(redis_url: str, redis_store: RedisEphemeralStore) -> None:
    stranger = RedisEphemeralStore(redis_url, prefix=f"{uuid.uuid4()}:")
    await redis_store.put("turn:1", "a", HOUR)
    assert await stranger.get("turn:1") is None
    await stranger.close()


async def test_a_redis_that_stays_away_is_asked_again_only_now_and_then() -> None:
    """And as soon as it answers, it is used again: here a server that knows one command."""
    connections: list[str] = []
    healed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append("one more")
        if healed.is_set():
            while line := await reader.readline():
                if line.startswith(b"*"):
                    writer.write(b"$-1\r\n" if b"GET" in await reader.read(4096) else b"+OK\r\n")
        writer.close()

    clock = ManualClock()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    breaker = Breaker("Redis", failures=3, pause=5, clock=clock.monotonic, jitter=lambda: 0.5)
    store = RedisEphemeralStore(f"redis://127.0.0.1:{port}/0?protocol=2", breaker=breaker)
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            await store.get("turn:1")
    assert breaker.state is Circuit.OPEN
    assert "circuit open" in str(await store.unavailable())
    asked = len(connections)
    with pytest.raises(StoreUnavailable):
        await store.get("turn:1")
    assert len(connections) == asked, "it is left alone"
    healed.set()
    clock.advance(6)
    assert await store.get("turn:1") is None
    assert breaker.state is Circuit.CLOSED
    await store.close()
    server.close()
    await server.wait_closed()
