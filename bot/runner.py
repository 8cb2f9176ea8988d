"""A long-lived process: start what its duty asks for, wait for a signal, stop everything within ten seconds."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module

from bot.bootstrap import App, Duty, build
from bot.operations import Board, operations
from bot.platforms import pushes
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.thinking import warm
from core.catchup import CatchUp
from core.errors import AnotherRunner, ConfigurationError, StoreError
from core.ports import PlatformAdapter

log = logging.getLogger(__name__)


HEAD_START = 0.2
"""Seconds for what waited at the platforms to arrive, before whatever is imported next takes the processor."""
LOCK_WATCH = 5.0
"""Seconds between two looks whether this process still holds the runner lock."""


async def run(settings: Settings, duty: Duty = Duty.ALONE) -> None:
    """Do what `duty` says until SIGTERM or SIGINT.

    Raises ConfigurationError when a token is wrong, the port is taken, or there is nothing to serve.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        board = Board.of(settings)
        await stack.enter_async_context(operations(settings, board))
        app = await stack.enter_async_context(build(settings, configured=True, duty=duty, observer=board.observer))
        _refuse_idleness(settings, duty)
        # First the ears, for what is written meanwhile waits; loading memory, model and web page takes a second each.
        connected = [adapter for adapter in heard(app, duty) if not pushes(settings, adapter.name)]
        await _hear(app, connected, stack)
        if connected:
            await asyncio.sleep(HEAD_START)
        stack.push_async_callback(_settle, asyncio.create_task(warm(settings, app.memory)))
        if duty in (Duty.ALONE, Duty.WORKER) or settings.queue.kind == "embedded":
            await stack.enter_async_context(Scheduler(app))
        if duty in (Duty.ALONE, Duty.WEB):
            await asyncio.to_thread(import_module, "bot.web")
            from bot.web import serving

            await stack.enter_async_context(serving(app, board.registries.append))
        if duty is Duty.GATEWAY or settings.on_supabase:
            stack.push_async_callback(_end, asyncio.create_task(_watch_lock(app, stop)))
        await _hear(app, [adapter for adapter in heard(app, duty) if pushes(settings, adapter.name)], stack)
        board.app = app
        log.info("%s is up", duty.value)
        await stop.wait()
        log.info("stopping")


def heard(app: App, duty: Duty) -> Sequence[PlatformAdapter]:
    """The platforms that this process listens to; it can send to all of them."""
    if duty is Duty.ALONE:
        return app.platforms
    if duty is Duty.WORKER:
        return ()
    return [adapter for adapter in app.platforms if pushes(app.settings, adapter.name) is (duty is Duty.WEB)]


def _refuse_idleness(settings: Settings, duty: Duty) -> None:
    if duty in (Duty.ALONE, Duty.WEB):
        return
    if not settings.platforms:
        raise ConfigurationError(
            "no platform is configured: set SLACK_BOT_TOKEN, TELEGRAM_BOT_TOKEN or DISCORD_BOT_TOKEN "
            "(`memorychat setup` asks for them)"
        )
    if duty is Duty.GATEWAY and all(pushes(settings, name) for name in settings.platforms):
        raise ConfigurationError("no platform has to be connected to: `memorychat web` takes what they push")


async def _hear(app: App, platforms: Sequence[PlatformAdapter], stack: AsyncExitStack) -> None:
    catch_up = CatchUp(app.store, app.clock, app.engine.handle)
    for adapter in platforms:
        known = await catch_up.known(adapter)
        await adapter.start(app.engine.handle)
        log.info("%s has started", adapter.name)
        stack.push_async_callback(_end, asyncio.create_task(catch_up.keep_up(adapter, known)))


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


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _settle(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
