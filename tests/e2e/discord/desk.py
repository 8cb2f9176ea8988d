"""An Acceptor that keeps what it gets, and does what a test wrote down about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from core.messages import Acceptance, InboundEvent, InboundMessage, MessageDeleted, MessageEdited, Reply, ReplyKind
from core.types import Audience


@dataclass
class Desk:
    """`trouble` is raised instead of accepting, for one event after the other; `answer` is called with each message."""

    events: list[InboundEvent] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    acceptance: Acceptance = Acceptance.ACCEPTED
    answer: Callable[[InboundMessage], Awaitable[object]] | None = None

    async def accept(self, event: InboundEvent) -> Acceptance:
        if self.trouble:
            raise self.trouble.pop(0)
        self.events.append(event)
        if self.answer is not None and isinstance(event, InboundMessage):
            await self.answer(event)
        return self.acceptance

    @property
    def messages(self) -> list[InboundMessage]:
        return [event for event in self.events if isinstance(event, InboundMessage)]

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]

    @property
    def edits(self) -> list[MessageEdited]:
        return [event for event in self.events if isinstance(event, MessageEdited)]

    @property
    def deletes(self) -> list[MessageDeleted]:
        return [event for event in self.events if isinstance(event, MessageDeleted)]


def reply(text: str, audience: Audience = Audience.ROOM, **fields: Any) -> Reply:
    return Reply(text=text, kind=ReplyKind.ANSWER, audience=audience, **fields)
