"""How often somebody may ask: counted in this process, or in Redis for several of them together."""

from __future__ import annotations

import asyncio
import logging
import time
from math import ceil

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from adapters.http.config import RateLimitConfig
from core.errors import LimitReached

log = logging.getLogger(__name__)

ANSWER_WITHIN = 0.5
"""Seconds that a request waits for Redis to count it."""
RETRY_AFTER = 5.0
"""Seconds before Redis is asked again after it did not answer, so that not every request waits for it."""


class RateLimiter:
    """`key` parts are ids or hashes, never what a person wrote. While Redis is away each process counts for itself:
    limits are then wider by the number of processes, and nobody is refused for it."""

    def __init__(self, config: RateLimitConfig) -> None:
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._pool = _pool(config.redis_url) if config.redis_url else None
        self._shared = _shared(config.redis_url, self._pool) if self._pool else None
        self._away_until = 0.0
        self.user = parse(config.user)
        self.address = parse(config.address)
        self.sign_in = parse(config.sign_in)

    async def hit(self, limit: RateLimitItem, *key: str) -> None:
        """Raises LimitReached with the seconds until the window begins anew."""
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    await _hit(self._shared, limit, key)
                return
            except (RedisError, OSError, TimeoutError) as error:
                self._away_until = time.monotonic() + RETRY_AFTER
                log.warning("rate limits are counted in this process alone: Redis is away (%s)", type(error).__name__)
        await _hit(self._local, limit, key)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.disconnect()


def _pool(url: str) -> ConnectionPool:
    return ConnectionPool.from_url(url, socket_timeout=ANSWER_WITHIN, socket_connect_timeout=ANSWER_WITHIN)


def _shared(url: str, pool: ConnectionPool) -> FixedWindowRateLimiter:
    storage = RedisStorage(
        f"async+{url}",
        implementation="redispy",
        connection_pool=pool,  # type: ignore[arg-type]  # its docstring takes one, its signature forgot it
    )
    return FixedWindowRateLimiter(storage)


async def _hit(strategy: FixedWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]) -> None:
    if await strategy.hit(limit, *key):
        return
    reset = (await strategy.get_window_stats(limit, *key)).reset_time
    raise LimitReached(retry_after=max(1, ceil(reset - time.time())))
