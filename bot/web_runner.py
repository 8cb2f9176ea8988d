"""`memorychat web`: the page and the API alone, with everything they need, in one process."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from bot.bootstrap import build
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.web import serving

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigurationError, StoreError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(build(settings))
        warming = asyncio.create_task(app.memory.warm())
        stack.push_async_callback(_settle, warming)
        await stack.enter_async_context(Scheduler(app))
        await stack.enter_async_context(serving(app))
        await stop.wait()
        log.info("stopping")


async def _settle(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
