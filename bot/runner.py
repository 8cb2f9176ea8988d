"""`memorychat run`: start everything, wait for a signal, stop everything within ten seconds."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from bot.bootstrap import build
from bot.scheduler import Scheduler
from bot.settings import Settings
from core.catchup import CatchUp
from core.errors import ConfigurationError

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Serve every configured platform until SIGTERM or SIGINT.

    Raises ConfigurationError when no platform is configured or a token is wrong.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(build(settings, configured=True))
        if not settings.platforms:
            raise ConfigurationError(
                "no platform is configured: set SLACK_BOT_TOKEN, TELEGRAM_BOT_TOKEN or DISCORD_BOT_TOKEN "
                "(`memorychat setup` asks for them), or talk in the terminal with `memorychat chat`"
            )
        stack.push_async_callback(_settle, asyncio.create_task(app.memory.warm()))
        await stack.enter_async_context(Scheduler(app))
        catch_up = CatchUp(app.store, app.clock, app.engine.handle)
        for adapter in app.platforms:
            known = await catch_up.known(adapter)
            await adapter.start(app.engine.handle)
            log.info("%s has started", adapter.name)
            if known:
                stack.push_async_callback(_end, asyncio.create_task(catch_up.read(adapter, known)))
        await stop.wait()
        log.info("stopping")


async def _end(task: asyncio.Task[int]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _settle(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
