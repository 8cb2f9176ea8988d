"""The platform that is no platform: callers in this process (REST, tests) who wait for the reply themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from core.capabilities import PlatformCapabilities, StreamingStyle
from core.messages import InboxRow, Reply, ReplyAddress, ReplyDone, ReplyEvent, TextDelta
from core.ports.platform import Acceptor
from core.types import PlatformName, TurnId

DIRECT = PlatformName("web")
SILENCE = 5.0
"""Seconds without an event until a turn is looked for where it may have gone."""


class DirectAdapter:
    """Streams replies to whoever listens under the address's `handle`; with nobody there the reply is in the
    session."""

    name = DIRECT
    capabilities = PlatformCapabilities(
        max_characters=1_000_000,
        streaming=StreamingStyle.NATIVE,
        edit_interval=0.0,
        buttons=True,
        files=True,
        edit_makes_resend_safe=True,
        nonce_makes_resend_safe=True,
        shows_mode=True,
        trusted_local=True,
        explicit_sessions=True,
    )

    def __init__(self) -> None:
        self._listeners: dict[str, asyncio.Queue[ReplyEvent]] = {}

    async def start(self, accept: Acceptor) -> None:
        """Nothing to connect: messages come by `ConversationEngine.stream_user_message`."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        await DirectStream(self._listeners.get(address.handle), nonce).update(reply.text)
        return (nonce,)

    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> DirectStream:
        return DirectStream(self._listeners.get(address.handle), nonce)

    def listen(self, handle: str) -> asyncio.Queue[ReplyEvent]:
        return self._listeners.setdefault(handle, asyncio.Queue())

    def leave(self, handle: str) -> None:
        self._listeners.pop(handle, None)

    def done(self, row: InboxRow, event: ReplyDone) -> None:
        """The end of a turn, for its listener."""
        listener = self._listeners.get(row.address.handle)
        if listener is not None:
            listener.put_nowait(event)

    async def events(
        self, handle: str, elsewhere: Callable[[], Awaitable[ReplyDone | None]]
    ) -> AsyncIterator[ReplyEvent]:
        """Deltas and the end of the turn that was accepted under `handle`, which `listen` was called for.

        After each `SILENCE` `elsewhere` is asked for the end that the turn may have had in another process.
        """
        queue = self._listeners[handle]
        while True:
            event = await _next(queue) or await elsewhere()
            if event is None:
                continue
            yield event
            if isinstance(event, ReplyDone):
                return


async def _next(queue: asyncio.Queue[ReplyEvent]) -> ReplyEvent | None:
    try:
        async with asyncio.timeout(SILENCE):
            return await queue.get()
    except TimeoutError:
        return None


class DirectStream:
    def __init__(self, listener: asyncio.Queue[ReplyEvent] | None, nonce: str) -> None:
        self._listener = listener
        self._nonce = nonce
        self._sent = 0

    @property
    def message_ids(self) -> tuple[str, ...]:
        return (self._nonce,)

    async def update(self, text: str) -> None:
        if self._listener is not None and len(text) > self._sent:
            self._listener.put_nowait(TextDelta(text[self._sent :]))
        self._sent = len(text)

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        await self.update(reply.text)
        return self.message_ids
