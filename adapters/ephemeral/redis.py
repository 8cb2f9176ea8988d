"""What must never touch a disk, in a Redis that several processes share and that keeps nothing on its own disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from datetime import timedelta
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from core.breaker import Breaker
from core.errors import IncognitoUnavailable, StoreUnavailable

T = TypeVar("T")

LIST_ITEMS = 500
"""A list keeps its newest items; a prompt uses far fewer."""

TRUST_SECONDS = 10.0
"""For so long a look at the server's configuration holds, so that persistence switched on later is noticed."""


class RedisEphemeralStore:
    """Refuses a Redis that writes to a disk: snapshots (`save`), an append-only file, or replicas, whose settings
    cannot be seen from here. Values end with their time to live; when Redis evicts one, its talk is gone, as after a
    restart.

    `put` and `append` raise IncognitoUnavailable while the server is one that is refused. Every method raises
    StoreUnavailable when it cannot be reached.
    """

    def __init__(self, url: str, prefix: str = "memorychat:ephemeral:", breaker: Breaker | None = None) -> None:
        self._breaker = breaker or Breaker("Redis", failures=3)
        self._prefix = prefix
        self._redis = Redis.from_url(
            url, decode_responses=True, encoding_errors="surrogatepass", socket_timeout=5.0, socket_connect_timeout=5.0
        )
        self._trusted_until = 0.0

    async def unavailable(self) -> str | None:
        try:
            return await self._call(self._why_refused())
        except StoreUnavailable as error:
            return f"Redis cannot be reached ({error.args[-1]})"

    async def put(self, key: str, value: str, ttl: timedelta) -> None:
        await self._check_trusted()
        await self._call(self._redis.set(self._prefix + key, value, px=ttl))

    async def get(self, key: str) -> str | None:
        found = await self._call(self._redis.get(self._prefix + key))
        return None if found is None else str(found)

    async def append(self, key: str, value: str, ttl: timedelta) -> None:
        await self._check_trusted()
        name = self._prefix + key
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.rpush(name, value)
        pipeline.ltrim(name, -LIST_ITEMS, -1)
        pipeline.pexpire(name, ttl)
        await self._call(pipeline.execute())

    async def items(self, key: str) -> list[str] | None:
        found = await self._call(self._redis.lrange(self._prefix + key, 0, -1))
        return [str(item) for item in found] or None

    async def delete(self, *keys: str) -> None:
        if keys:
            await self._call(self._redis.delete(*(self._prefix + key for key in keys)))

    async def expire(self) -> int:
        """Redis does it."""
        return 0

    async def close(self) -> None:
        """What is held stays until its time to live ends: other processes may need it."""
        await self._redis.aclose()

    async def _check_trusted(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._trusted_until:
            reason = await self._call(self._why_refused())
            if reason is not None:
                raise IncognitoUnavailable(reason)
            self._trusted_until = now + TRUST_SECONDS

    async def _why_refused(self) -> str | None:
        try:
            settings = await self._redis.config_get("save", "appendonly")
        except ResponseError:
            return "Redis does not tell whether it writes to a disk (CONFIG GET is not allowed)"
        if settings.get("save"):
            return 'Redis saves snapshots to a disk: start it with `--save ""`'
        if settings.get("appendonly") != "no":
            return "Redis keeps an append-only file: start it with `--appendonly no`"
        replication = await self._redis.info("replication")
        if replication.get("role") != "master" or replication.get("connected_slaves"):
            return "Redis is replicated: what its replicas write to a disk cannot be checked"
        return None

    async def _call(self, command: Awaitable[T]) -> T:
        """Nobody waits for a time-out again and again: after a few failures Redis is left alone for a while."""
        if not self._breaker.admits():
            _close(command)
            raise StoreUnavailable("redis", "circuit open")
        try:
            answer = await command
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError):
                self._breaker.succeeded()  # a refusal is an answer
            else:
                self._breaker.failed()
            raise StoreUnavailable("redis", type(error).__name__) from None
        except BaseException:
            self._breaker.cancelled()
            raise
        self._breaker.succeeded()
        return answer


def _close(command: Awaitable[object]) -> None:
    """A coroutine that is never awaited would be warned about."""
    if isinstance(command, Coroutine):
        command.close()
