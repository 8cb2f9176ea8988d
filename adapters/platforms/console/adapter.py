"""The PlatformAdapter of the terminal. It knows the engine only by `Acceptor` and a few callables."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from adapters.platforms.console.face import Face
from adapters.platforms.console.translate import CONSOLE, message_of
from core.capabilities import PlatformCapabilities
from core.errors import DeliveryRefused, EmptyMessage, MemoryChatError
from core.messages import Acceptance, OutboundFile, Reply, ReplyAddress, ReplyKind
from core.ports import Acceptor, ReplyStream
from core.types import PlatformName, TurnId, new_id


class ConsoleAdapter:
    """One person at one terminal: a message, its reply, the next message.

    `idle` returns when the engine has nothing left to answer (a turn may end without a reply), `cancel` stops the
    running turn, `export_folder` takes the files that replies hand over (mode 0600).
    """

    def __init__(
        self,
        face: Face,
        *,
        now: Callable[[], datetime],
        idle: Callable[[], Awaitable[None]],
        cancel: Callable[[], Awaitable[object]],
        export_folder: Path,
        display_name: str = "",
    ) -> None:
        self._face = face
        self._now = now
        self._idle = idle
        self._cancel = cancel
        self._folder = export_folder
        self._display_name = display_name
        self._accept: Acceptor | None = None
        self._reading: asyncio.Task[None] | None = None
        self._cancelling: set[asyncio.Task[object]] = set()
        self._given_up = asyncio.Event()
        self._answered = False
        self._waiting_for = ""
        self._own: set[str] = set()
        """What this run sent: replies to others are those of a run that was killed."""
        self.refused = 0
        """Messages that could not be accepted: the database failed."""
        self.unanswered = 0
        """Messages of this run that were accepted and brought no reply."""

    @property
    def name(self) -> PlatformName:
        return CONSOLE

    @property
    def capabilities(self) -> PlatformCapabilities:
        return self._face.capabilities

    async def start(self, accept: Acceptor) -> None:
        self._accept = accept
        self._reading = asyncio.create_task(self._read())

    async def finished(self) -> None:
        """Wait until the person left or the pipe ended, and every message had its reply."""
        if self._reading is not None:
            await asyncio.wait((self._reading,))
            if not self._reading.cancelled():
                self._reading.result()

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        await self._face.close()

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Raises DeliveryRefused when whoever read the pipe has gone."""
        late = address.reply_to not in self._own
        try:
            await self._face.show(reply, await self._save(reply.files), late=late)
        except BrokenPipeError:
            if self._reading is not None:
                self._reading.cancel()
            raise DeliveryRefused("the reader of the pipe has gone") from None
        # A notice (the welcome) goes before the reply that is waited for.
        self._answered = self._answered or (not late and reply.kind is not ReplyKind.NOTICE)
        return (nonce,)

    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> ReplyStream:
        return _Stream(self, address, nonce)

    async def show_part(self, address: ReplyAddress, text: str) -> None:
        if address.reply_to == self._waiting_for:
            await self._face.grow(text)

    async def _read(self) -> None:
        async for line in self._face.lines():
            if line.strip():
                await self._say(line)
            else:
                await self._face.problem(EmptyMessage.user_message)

    async def _say(self, line: str) -> None:
        assert self._accept is not None
        message = message_of(line, event_id=new_id(), sent_at=self._now(), display_name=self._display_name)
        self._given_up, self._answered = asyncio.Event(), False
        self._waiting_for = message.message_id
        self._own.add(message.message_id)
        async with self._face.waiting(self._interrupt):
            try:
                acceptance = await self._accept(message)
                if acceptance is Acceptance.ACCEPTED:
                    await self._settled()
                    self.unanswered += not (self._answered or self._given_up.is_set())
            except MemoryChatError as error:
                self.refused += 1
                await self._face.problem(error.user_message)
        self._waiting_for = ""

    async def _settled(self) -> None:
        """Until the engine has nothing left to answer: a turn may end without a reply (cancelled, skipped) and may set
        off another one (`/retry`)."""
        given_up = asyncio.create_task(self._given_up.wait())
        idle = asyncio.ensure_future(self._idle())
        try:
            await asyncio.wait((given_up, idle), return_when=asyncio.FIRST_COMPLETED)
            if idle.done():
                await idle
        finally:
            given_up.cancel()
            idle.cancel()

    def _interrupt(self) -> None:
        """Ctrl-C: the turn is stopped; the second one stops waiting for it too."""
        if self._cancelling:
            self._given_up.set()
            return
        task = asyncio.ensure_future(self._cancel())
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _save(self, files: Sequence[OutboundFile]) -> list[str]:
        return [str(await asyncio.to_thread(_write_new, self._folder, file)) for file in files]


class _Stream:
    def __init__(self, adapter: ConsoleAdapter, address: ReplyAddress, nonce: str) -> None:
        self._adapter = adapter
        self._address = address
        self._nonce = nonce

    @property
    def message_ids(self) -> tuple[str, ...]:
        return ()

    async def update(self, text: str) -> None:
        await self._adapter.show_part(self._address, text)

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        return await self._adapter.send(self._address, reply, nonce=self._nonce)


def _write_new(folder: Path, file: OutboundFile) -> Path:
    """Write a file for its owner alone, never over another one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = Path(Path(file.name).name or "file")
    for number in range(1, 10_000):
        path = folder / (name if number == 1 else f"{name.stem}-{number}{name.suffix}")
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(file.data)
            return path
    raise DeliveryRefused("too many files of that name")
