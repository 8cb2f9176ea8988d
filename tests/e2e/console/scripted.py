"""A scripted acceptor: what the engine does, as far as a terminal can see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

from adapters.platforms.console import ConsoleAdapter, Face
from core.errors import StoreFull
from core.messages import Acceptance, InboundEvent, InboundMessage, Reply, ReplyAddress, ReplyKind
from core.types import Audience, PrivacyMode

Answer = Callable[["Script", InboundMessage, ReplyAddress], Coroutine[None, None, None]]


def reply(text: str, kind: ReplyKind = ReplyKind.ANSWER, mode: PrivacyMode = PrivacyMode.NORMAL) -> Reply:
    return Reply(text=text, kind=kind, audience=Audience.ASKER, mode=mode)


class Script:
    """Answers each message by `answer`, in a task of its own as the queue does."""

    def __init__(self, face: Face, folder: Path, answer: Answer) -> None:
        self.heard: list[InboundMessage] = []
        self.cancelled = asyncio.Event()
        self.full = False
        self.stubborn = False
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self.adapter = ConsoleAdapter(
            face,
            now=lambda: datetime.now(UTC),
            idle=self._idle,
            cancel=self.cancel,
            export_folder=folder,
            display_name="ann",
        )

    async def talk(self) -> None:
        """From the first line to the end of the input."""
        await self.adapter.start(self.accept)
        await self.adapter.finished()
        await self._idle()
        await self.adapter.stop()

    async def accept(self, event: InboundEvent) -> Acceptance:
        assert isinstance(event, InboundMessage)
        if self.full:
            raise StoreFull
        if not event.text.strip():
            return Acceptance.IGNORED
        self.heard.append(event)
        address = ReplyAddress(event.place, event.kind, event.sender.external_id, reply_to=event.message_id)
        task = asyncio.create_task(self._answer(self, event, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Acceptance.ACCEPTED

    async def _idle(self) -> None:
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def cancel(self) -> None:
        """Tell the answer at work; `stubborn`: never get it to stop."""
        self.cancelled.set()
        if self.stubborn:
            await asyncio.Event().wait()


async def echo(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
    """Says the message back."""
    await script.adapter.send(address, reply(f"you said: {message.text}"), nonce="n")
