"""What a process says about itself, on a port of its own: is it alive, is it ready, and its metrics."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.metrics import PrometheusObserver
from bot.bootstrap import App
from bot.server import listener, serving_on
from bot.settings import Settings
from core.errors import ConfigurationError, MemoryChatError

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds that a look at another process's readiness may take."""


@dataclass(slots=True)
class Board:
    """What is known of this process: its counters, and the application once everything it does is up."""

    observer: PrometheusObserver
    registries: list[CollectorRegistry] = field(default_factory=list)
    app: App | None = None

    @classmethod
    def of(cls, settings: Settings) -> Board:
        openai = settings.openai
        observer = PrometheusObserver((openai.prompt_price, openai.completion_price))
        return cls(observer, [observer.registry])


@asynccontextmanager
async def operations(settings: Settings, board: Board) -> AsyncIterator[str]:
    """Serve `/healthz`, `/readyz` and `/metrics` where the settings say; gives the address, `''` where it is nowhere.

    Raises ConfigurationError when the port cannot be listened on.
    """
    where = settings.operations
    if where.port is None:
        yield ""
        return
    made = listener(where.host, where.port, "OPERATIONS_HOST, OPERATIONS_PORT")
    async with serving_on(made, make_operations(board)) as address:
        log.info("health and metrics are on %s", address)
        yield address


def make_operations(board: Board) -> Starlette:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        if board.app is None:
            return JSONResponse({"status": "starting"}, 503)
        try:
            await board.app.store.has_event("readyz")
        except MemoryChatError as error:
            return JSONResponse({"status": "unavailable", "code": error.code}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        if board.app is not None:
            try:
                board.observer.queue(await board.app.store.queue_state(), board.app.clock.now())
            except MemoryChatError as error:
                # The other numbers are needed the more.
                log.warning("the queue is not counted: %s", type(error).__name__)
        shown = b"".join(generate_latest(registry) for registry in board.registries)
        return Response(shown, media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


async def look(settings: Settings) -> str | None:
    """What is wrong with the process that listens on OPERATIONS_PORT, None when it is ready. Raises
    ConfigurationError."""
    where = settings.operations
    if where.port is None:
        raise ConfigurationError("OPERATIONS_PORT: not set, so that no process says how it is")
    host = "127.0.0.1" if where.host in ("0.0.0.0", "::") else where.host  # noqa: S104 # only compared
    return await asyncio.to_thread(_ask, f"http://{host}:{where.port}/readyz")


def _ask(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=LOOK):  # noqa: S310 # built above from http://
            return None
    except urllib.error.HTTPError as error:
        return f"it answers {error.code}: not ready"
    except OSError:
        return "nothing answers"
