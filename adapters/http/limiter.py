from __future__ import annotations

import time
from math import ceil

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

from adapters.http.config import RateLimitConfig
from core.errors import LimitReached


class RateLimiter:
    """Counts in this process, or in Redis for several. `key` parts are ids or hashes, never what a person wrote."""

    def __init__(self, config: RateLimitConfig) -> None:
        storage: Storage = MemoryStorage()
        if config.redis_url:
            storage = RedisStorage(f"async+{config.redis_url}", implementation="redispy")
        self._strategy = FixedWindowRateLimiter(storage)
        self.user = parse(config.user)
        self.address = parse(config.address)
        self.sign_in = parse(config.sign_in)

    async def hit(self, limit: RateLimitItem, *key: str) -> None:
        """Raises LimitReached with the seconds until the window begins anew."""
        if await self._strategy.hit(limit, *key):
            return
        reset = (await self._strategy.get_window_stats(limit, *key)).reset_time
        raise LimitReached(retry_after=max(1, ceil(reset - time.time())))
