from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from core.capabilities import PlatformCapabilities
from core.messages import Acceptance, Attachment, InboundEvent, InboundMessage, Reply, ReplyAddress
from core.types import Place, PlatformName, TurnId

Acceptor = Callable[[InboundEvent], Awaitable[Acceptance]]
"""Returns once the event is durable; only then may the platform be acknowledged. Raises StoreError: do not
acknowledge."""


class PlatformAdapter(Protocol):
    """A platform: receives by `start`, gives by `send`. Optional behaviour is in the small protocols below."""

    @property
    def name(self) -> PlatformName: ...

    @property
    def capabilities(self) -> PlatformCapabilities: ...

    async def start(self, accept: Acceptor) -> None:
        """Connect and begin to receive. Raises ConfigurationError for wrong tokens. Not called where one only sends."""
        ...

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Deliver a final reply and return the platform's message ids, in order.

        `known_ids` are messages of an earlier, interrupted try: edit them into shape where the platform can. A reply
        for
        the ASKER in a shared place goes out by the platform's private way, never into the room.

        Raises DeliveryRateLimited, DeliveryUnknown or DeliveryRefused.
        """
        ...

    async def stop(self) -> None:
        """Receive nothing more, finish what is being sent, close connections."""
        ...


class ReplyStream(Protocol):
    """A reply that grows in sight of the person. One writer at a time."""

    @property
    def message_ids(self) -> tuple[str, ...]:
        """What the platform has shown so far, for a restart after a crash."""
        ...

    async def update(self, text: str) -> None:
        """Show the whole text so far (canonical Markdown). Raises as `send`; the core then goes on without updates."""
        ...

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        """Show the final form and return all message ids. Raises as `send`."""
        ...


@runtime_checkable
class SupportsStreaming(Protocol):
    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> ReplyStream: ...


@runtime_checkable
class SupportsEdit(Protocol):
    async def edit(self, address: ReplyAddress, message_id: str, reply: Reply) -> None: ...


@runtime_checkable
class SupportsParts(Protocol):
    def parts(self, reply: Reply) -> int:
        """How many messages the reply takes there, its files included. Where this is missing: one."""
        ...


@runtime_checkable
class SupportsTyping(Protocol):
    async def typing(self, address: ReplyAddress) -> None:
        """Show for some seconds that a reply is coming. Never fatal."""
        ...


@runtime_checkable
class SupportsThreadHistory(Protocol):
    async def thread_history(self, address: ReplyAddress, *, limit: int) -> list[tuple[str, str]]:
        """What was said in the thread before the bot was first called into it, as (speaker, text), oldest first; never
        stored.

        Nothing from the first message of or to the bot on: that was said under a mode, and may have been forgotten.
        """
        ...


@runtime_checkable
class SupportsBacklog(Protocol):
    def backlog(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[InboundMessage]:
        """What was written in a place after `cursor` while the bot was away, oldest first."""
        ...


@runtime_checkable
class SupportsGaps(Protocol):
    async def gap(self) -> datetime:
        """Wait until the connection stands again after a time without one, long enough that the platform may have given
        up on what was written meanwhile; since when it was missing. Called again for the next one."""
        ...


@runtime_checkable
class SupportsFetch(Protocol):
    async def fetch(self, attachment: Attachment, *, max_bytes: int) -> bytes:
        """A file's content. Raises BadArgument when it is too large, NotFound when it is gone."""
        ...


@runtime_checkable
class SupportsMembership(Protocol):
    async def is_private(self, address: ReplyAddress) -> bool:
        """Whether the asker is still the only reader of that place: asked just before a private reply is sent."""
        ...
