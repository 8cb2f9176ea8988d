"""The inbox and the outbox, and what waits for a person's yes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.batches import AcceptBatch, QueueState, RecordBatch
from core.messages import InboxRow, OutboxRow
from core.sealing import Sealed
from core.types import ConversationId, Lane, Metadata, OutboxId, OutboxState, TurnId, TurnState, UserId


class TurnStore(Protocol):
    async def has_event(self, event_key: str) -> bool: ...

    async def accept(self, batch: AcceptBatch) -> InboxRow | None:
        """The stored row with its `seq`, or None when the event is known already (nothing is written then)."""
        ...

    async def claim_turn(
        self, conversation_id: ConversationId, lane: Lane, owner: str, lease_until: datetime, now: datetime
    ) -> tuple[InboxRow, ...]:
        """The next turn of a lane under a lease, oldest first; `()` when there is none or another owner's lease holds.

        An interrupted turn comes first (its own rows, `attempts` + 1): its lease is over, or is the asking owner's own.
        Else the oldest accepted row, and, when that is mergeable, the mergeable rows under the very same stamp that
        follow it without another between.
        """
        ...

    async def renew_lease(self, turn_id: TurnId, owner: str, lease_until: datetime) -> bool: ...

    async def release_turn(self, turn_id: TurnId, owner: str) -> None:
        """Hand the rows back as accepted, for somebody else to claim at once."""
        ...

    async def pending_lanes(self, now: datetime) -> list[tuple[ConversationId, Lane]]:
        """Lanes with rows to claim now (accepted, or running under an expired lease), oldest first."""
        ...

    async def queue_state(self) -> QueueState:
        """How much there is to answer, of everybody."""
        ...

    async def get_turn(self, user_id: UserId, turn_id: TurnId) -> InboxRow: ...

    async def find_turn_by_event(self, event_key: str) -> InboxRow | None: ...

    async def running_turn(self, conversation_id: ConversationId, lane: Lane) -> TurnId | None:
        """The turn that is running in a lane, by its head row."""
        ...

    async def is_busy(self, conversation_id: ConversationId) -> bool:
        """Whether a main-lane turn is waiting or running there."""
        ...

    async def last_turn(
        self, conversation_id: ConversationId, user_id: UserId, *, states: Sequence[TurnState]
    ) -> InboxRow | None:
        """The newest main-lane turn of an author in a conversation that is talk (not `is_command`) and in one of the
        states."""
        ...

    async def newest_turn(self, conversation_id: ConversationId) -> InboxRow | None:
        """The newest row of a conversation's main lane: where and to whom a notice of our own would go."""
        ...

    async def failed_turns(self, limit: int) -> list[InboxRow]:
        """Turns that ended as failed, newest accepted first, for the operator: of everybody."""
        ...

    async def reopen_turn(self, user_id: UserId, turn_id: TurnId) -> None:
        """Make an ended turn accepted again (`/retry`): all messages that came of it and its outbox row go away."""
        ...

    async def replace_turn_content(self, event_key: str, content: Sealed) -> bool:
        """An edit on the platform, before the turn started; whether it was in time."""
        ...

    async def cancel_accepted(self, event_key: str) -> bool:
        """A delete on the platform, before the turn started; whether it was in time."""
        ...

    async def end_turn(self, turn_id: TurnId, owner: str, state: TurnState, note: str = "") -> None:
        """End a turn that has nothing to record."""
        ...

    async def open_outbox(self, row: OutboxRow) -> OutboxRow:
        """Insert, or return the row that the turn has already."""
        ...

    async def get_outbox(self, turn_id: TurnId) -> OutboxRow | None: ...

    async def mark_outbox(
        self,
        outbox_id: OutboxId,
        state: OutboxState,
        *,
        message_ids: tuple[str, ...] | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        """What is None stays as it is. `sending` without a time is the beginning of an attempt, which is counted; with
        one, that of an attempt which goes on or was put off. The content of a `sent` row goes away: its text lives on
        in the session's messages only."""
        ...

    async def unsent_outbox(self, now: datetime, hold_until: datetime) -> list[OutboxRow]:
        """Rows of ended turns that are neither sent nor failed and due, oldest first; their next attempt moves to
        `hold_until`, so that no other process takes them too."""
        ...

    async def record_turn(self, batch: RecordBatch) -> None: ...

    async def record_notice(self, key: str, at: datetime, not_after: datetime) -> bool:
        """Whether a notice with this key may go out now: true at most once between `not_after` and `at`."""
        ...


class PendingStore(Protocol):
    """What waits for a button or a typed word: `payload` holds ids and command words, never content."""

    async def put_pending(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        token: str,
        payload: Metadata,
        expires_at: datetime,
    ) -> None:
        """Replaces the one with the same user, conversation and token."""
        ...

    async def take_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        """The payload once, or None: unknown, expired, used, or somebody else's."""
        ...

    async def peek_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None: ...
