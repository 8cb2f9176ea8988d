"""Server-sent events that stay alive while nothing is said, and end their source when nobody listens any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from adapters.http.schemas.chat import ChatStreamChunk

HEARTBEAT = b": still here\n\n"
_running: set[asyncio.Task[None]] = set()


def encoded(chunk: ChatStreamChunk) -> bytes:
    return f"event: {chunk.type}\ndata: {chunk.model_dump_json(exclude_none=True)}\n\n".encode()


async def event_stream(source: AsyncGenerator[ChatStreamChunk, None], heartbeat: float) -> AsyncIterator[bytes]:
    """`heartbeat` in seconds. The source runs in a task of its own, which is cancelled once, however often we are:
    so it can still tidy up."""
    queue: asyncio.Queue[ChatStreamChunk | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async with aclosing(source):
                async for chunk in source:
                    queue.put_nowait(chunk)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    _running.add(task)
    task.add_done_callback(_ended)
    try:
        while True:
            try:
                chunk = await asyncio.wait_for(queue.get(), heartbeat)
            except TimeoutError:
                yield HEARTBEAT
                continue
            if chunk is None:
                return
            yield encoded(chunk)
    finally:
        task.cancel()


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()


async def settle() -> None:
    """Wait for sources that are tidying up."""
    await asyncio.gather(*_running, return_exceptions=True)
