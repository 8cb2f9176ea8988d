"""`memorychat run`: start everything, wait for a signal, stop everything within ten seconds."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from bot.bootstrap import App, Duty, build
from bot.scheduler import Scheduler
from bot.settings import Settings
from core.catchup import CatchUp
from core.errors import AnotherRunner, ConfigurationError, StoreError

log = logging.getLogger(__name__)


LOCK_WATCH = 5.0
"""Seconds between two looks whether this process still holds the runner lock."""


async def run(settings: Settings, duty: Duty = Duty.ALONE) -> None:
    """Serve every configured platform until SIGTERM or SIGINT; a worker sends to them and hears nothing of them. A
    process
    that is alone serves the web page and the API too.

    Raises ConfigurationError when a token is wrong, the port is taken, or there is nothing to serve.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(build(settings, configured=True, duty=duty))
        if not settings.platforms and duty is not Duty.ALONE:
            raise ConfigurationError(
                "no platform is configured: set SLACK_BOT_TOKEN, TELEGRAM_BOT_TOKEN or DISCORD_BOT_TOKEN "
                "(`memorychat setup` asks for them)"
            )
        stack.push_async_callback(_settle, asyncio.create_task(app.memory.warm()))
        if duty is not Duty.GATEWAY:
            await stack.enter_async_context(Scheduler(app))
        if duty is Duty.ALONE:
            from bot.web import serving

            await stack.enter_async_context(serving(app))
        if duty is Duty.GATEWAY:
            stack.push_async_callback(_end, asyncio.create_task(_watch_lock(app, stop)))
        catch_up = CatchUp(app.store, app.clock, app.engine.handle)
        for adapter in app.platforms if duty is not Duty.WORKER else ():
            known = await catch_up.known(adapter)
            await adapter.start(app.engine.handle)
            log.info("%s has started", adapter.name)
            if known:
                stack.push_async_callback(_end, asyncio.create_task(catch_up.read(adapter, known)))
        await stop.wait()
        log.info("stopping")


async def _watch_lock(app: App, stop: asyncio.Event) -> None:
    """Two gateways would hear everything twice: whoever lost the lock with its line to the database stops."""
    while not stop.is_set():
        await asyncio.sleep(LOCK_WATCH)
        try:
            await app.store.take_runner_lock("")
        except AnotherRunner:
            log.error("another gateway has taken over")
            stop.set()
        except StoreError as error:
            log.warning("the runner lock cannot be looked at: %s", type(error).__name__)


async def _end(task: asyncio.Task[int] | asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _settle(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
