"""One HTTP server of this process, in its event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from core.errors import ConfigurationError

START_TIMEOUT = 10.0
STOP_TIMEOUT = 2


class _Server(uvicorn.Server):
    """Signals are the process's own business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(host: str, port: int, names: str) -> socket.socket:
    """A socket that listens; `names` are the settings that say where. Raises ConfigurationError."""
    try:
        made = socket.create_server((host, port), backlog=512, reuse_port=False)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no such address"
        raise ConfigurationError(f"{names}: {host}:{port} cannot be used ({reason})") from None
    # Taken over by every connection. Without it the body waits 40 ms for the client to acknowledge the headers: asyncio
    # sets it only on sockets that were made by the name of their protocol.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


@asynccontextmanager
async def serving_on(
    listening: socket.socket, web: ASGIApp, *, lifespan: bool = False, trusted_proxies: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Serve until left; gives the address. Open requests get a few seconds to end. Of `trusted_proxies` it is believed
    whose request they pass on."""
    config = uvicorn.Config(
        web,
        log_config=None,
        # It would write query strings, which hold what people search for.
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(trusted_proxies),
        lifespan="on" if lifespan else "off",
        timeout_graceful_shutdown=STOP_TIMEOUT,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not server.started and not task.done():  # noqa: ASYNC110 # uvicorn has no event for it
                await asyncio.sleep(0.01)
        host, port = listening.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task
        listening.close()
