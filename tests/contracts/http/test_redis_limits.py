"""Rate limits that several processes count together, and what holds while the Redis that counts them is away."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from adapters.clock import ManualClock
from adapters.http import limiter
from adapters.http.config import RateLimitConfig
from adapters.http.limiter import RateLimiter
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from core.errors import LimitReached
from tests.contracts.http.conftest import Builder, Site
from tests.support.redis_server import RedisServer
from tests.support.stage import NOON


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.fail("redis-server is not installed: these tests need the Debian package redis-server")
    running = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    """Running, and empty."""
    server.start()
    server.empty()
    return server


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


def three_a_minute(url: str) -> RateLimitConfig:
    return RateLimitConfig("3/minute", "1000/minute", "100/minute", redis_url=url)


async def process(stack: AsyncExitStack, embedder: OnnxEmbedder, limits: RateLimitConfig, store: MemoryStore) -> Site:
    """One of several that stand beside each other, on the same database."""

    async def close(site: Site) -> None:
        await site.app.state.security.limiter.close()

    site = await Builder(stack, embedder, lambda _clock: store)(rate_limits=limits)
    stack.push_async_callback(close, site)
    return site


@pytest.mark.services
async def test_two_processes_count_together(
    redis: RedisServer, stack: AsyncExitStack, shared_embedder: OnnxEmbedder
) -> None:
    store, limits = MemoryStore(ManualClock(NOON)), three_a_minute(redis.url)
    one = await process(stack, shared_embedder, limits, store)
    two = await process(stack, shared_embedder, limits, store)
    ana = await one.person("ana")
    beside = await two.visitor()
    beside.access = ana.access
    statuses = [(await client.send("GET", "/auth/me")).status_code for client in (ana, beside, ana, beside, ana)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = await beside.send("GET", "/auth/me")
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.services
async def test_a_redis_that_dies_and_comes_back_refuses_nobody(
    redis: RedisServer,
    stack: AsyncExitStack,
    shared_embedder: OnnxEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(limiter, "RETRY_AFTER", 0.0)
    site = await process(stack, shared_embedder, three_a_minute(redis.url), MemoryStore(ManualClock(NOON)))
    ana = await site.person("ana")
    await ana.ok("GET", "/auth/me")
    redis.stop()
    # This process counts on its own now, from nothing.
    statuses = [(await ana.send("GET", "/auth/me")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert "Redis is away" in caplog.text
    redis.start()
    redis.empty()
    statuses = [(await ana.send("GET", "/auth/me")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


async def test_a_redis_that_was_never_there_is_asked_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    limits = RateLimiter(three_a_minute(f"redis://127.0.0.1:{port}/0"))
    asked = 0
    count = limiter._hit

    async def counted(strategy: object, limit: object, key: tuple[str, ...]) -> None:
        nonlocal asked
        asked += strategy is limits._shared
        await count(strategy, limit, key)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(limiter, "_hit", counted)
    for _ in range(3):
        await limits.hit(limits.user, "user", "ana")
    with pytest.raises(LimitReached) as refused:
        await limits.hit(limits.user, "user", "ana")
    assert 0 < refused.value.retry_after <= 60
    assert asked == 1
    await limits.close()


async def test_a_redis_that_hangs_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = RateLimiter(three_a_minute(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        for _ in range(3):
            await limits.hit(limits.user, "user", "ana")
        with pytest.raises(LimitReached):
            await limits.hit(limits.user, "user", "ana")
        await limits.close()
