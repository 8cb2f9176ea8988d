from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.messages import InboxRow
from core.types import ConversationId, Lane

TurnHandler = Callable[[tuple[InboxRow, ...]], Awaitable[None]]


class TurnQueue(Protocol):
    """One turn at a time per conversation and lane, in order; different conversations in parallel, bounded.

    The queue carries ids. The rows are the Store's; the queue claims them under a lease, hands them to the handler
    as one
    turn, and renews the lease while the handler runs. A handler that raises leaves the row to be taken up again.
    """

    async def start(self, handler: TurnHandler) -> None:
        """Begin to work, unfinished rows of earlier runs first."""
        ...

    async def notify(self, conversation_id: ConversationId, lane: Lane = Lane.MAIN, newest: int | None = None) -> None:
        """There is something new in a conversation; `newest` is its last row's `seq`, where the caller knows it."""
        ...

    async def cancel(self, conversation_id: ConversationId) -> bool:
        """Cancel the turn that runs in the main lane; whether there was one."""
        ...

    async def drain(self) -> None:
        """Wait until nothing is waiting or running here."""
        ...

    async def stop(self, grace: float) -> None:
        """Take nothing new, let running turns finish for `grace` seconds, then hand them back to the inbox."""
        ...
