"""The face of a pipe: one message a line on stdin, replies alone on stdout, everything else on stderr."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

from adapters.platforms.console.translate import PIPED, decode_line, piped_text, printable
from core.capabilities import PlatformCapabilities
from core.messages import Reply, ReplyKind

MAX_LINE = 1_000_000
"""Bytes of a line that are kept: more than the engine takes (100,000 characters), so that it is the one to refuse."""

CHUNK = 65_536
LATE = "This answers a message of an earlier run, which was interrupted before its reply:"


class PipedFace:
    """`stdin` is a file descriptor. It is read with os.read in a daemon thread: a buffered reader's lock, held by a
    thread that waits for a pipe, stops the interpreter from leaving."""

    def __init__(self, stdin: int, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    @property
    def capabilities(self) -> PlatformCapabilities:
        return PIPED

    async def lines(self) -> AsyncIterator[str]:
        async for data in read_lines(self._stdin):
            yield decode_line(data)

    @asynccontextmanager
    async def waiting(self, interrupt: Callable[[], None]) -> AsyncIterator[None]:
        del interrupt  # Ctrl-C ends a pipe, as people expect of a filter
        yield

    async def grow(self, text: str) -> None:
        del text

    async def show(self, reply: Reply, saved: Sequence[str], *, late: bool) -> None:
        text = piped_text(reply)
        if reply.kind is ReplyKind.NOTICE:
            await asyncio.to_thread(_write, self._stderr, text)
        elif late:
            # Whoever reads stdout takes each reply for that to the line just sent.
            await asyncio.to_thread(_write, self._stderr, f"{LATE}\n{text}")
        else:
            await asyncio.to_thread(_write, self._stdout, text)
        for path in saved:
            await asyncio.to_thread(_write, self._stderr, f"Saved as {path}")

    async def problem(self, text: str) -> None:
        await asyncio.to_thread(_write, self._stderr, printable(text))

    async def close(self) -> None:
        return


def _write(target: BinaryIO, text: str) -> None:
    target.write(text.encode("utf-8", "replace") + b"\n")
    target.flush()


async def read_lines(descriptor: int) -> AsyncIterator[bytes]:
    """Lines of a file descriptor without their ends, the last one also when nothing ends it.

    Of a line longer than MAX_LINE the beginning is given. Reads ahead by a few chunks at most.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(4)

    def read() -> None:
        data = b"more"
        while data:
            room.acquire()
            try:
                data = os.read(descriptor, CHUNK)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, data)
            except RuntimeError:
                return  # the loop has ended: nobody waits for more

    threading.Thread(target=read, name="stdin", daemon=True).start()
    line = b""
    while chunk := await chunks.get():
        first, *others = chunk.split(b"\n")
        line = (line + first)[:MAX_LINE]
        for part in others:
            yield line
            line = part[:MAX_LINE]
        room.release()
    if line:
        yield line
