"""What every store decides in the same way, as pure functions over domain objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from core.batches import ProfilePatch, SessionPatch, UserPatch
from core.messages import InboxRow, OutboxRow
from core.privacy import stricter
from core.profiles import DEFAULT_PROFILE, ROOM_PROFILE, clean_profile_name, name_key
from core.sealing import Sealed
from core.types import (
    ChannelIdentity,
    ChatMessage,
    Conversation,
    IdentityId,
    MemoryId,
    MemoryProfile,
    MemoryRecord,
    MessageId,
    Metadata,
    OutboxState,
    PlatformName,
    PrivacyMode,
    ProfileId,
    Role,
    SessionId,
    TurnId,
    TurnState,
    User,
    UserId,
    UserKind,
    new_id,
)

EVENT_KEY_LIFE = timedelta(hours=48)
"""How long a platform may deliver the same event again (Slack: hours, Telegram: 24 h), doubled."""
NOTICE_LIFE = timedelta(days=30)
LINK_FAILURE_LIFE = timedelta(days=1)
JOB_RUN_LIFE = timedelta(days=30)

OPEN_STATES = frozenset({TurnState.ACCEPTED, TurnState.RUNNING})
UNSENT_STATES = frozenset({OutboxState.READY, OutboxState.SENDING})


def plain(metadata: Metadata) -> Metadata:
    """A copy as JSON gives it back: tuples become lists, nobody else holds a reference."""
    copy: Metadata = json.loads(json.dumps(metadata))
    return copy


def given(patch: UserPatch | SessionPatch) -> dict[str, Any]:
    """The fields of a patch dataclass that are not None."""
    values = {item.name: getattr(patch, item.name) for item in fields(patch)}
    return {name: value for name, value in values.items() if value is not None}


def email_key(email: str) -> str:
    """Equal for addresses that reach the same person in practice."""
    return email.strip().casefold()


def new_user(now: datetime, kind: UserKind, email: str | None, user_id: UserId | None, display_name: str) -> User:
    return User(
        id=user_id or UserId(new_id()),
        kind=kind,
        created_at=now,
        updated_at=now,
        email=email,
        display_name=display_name,
    )


def new_identity(
    now: datetime, user_id: UserId, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
) -> ChannelIdentity:
    return ChannelIdentity(IdentityId(new_id()), user_id, platform, workspace_id, external_id, display_name, now)


def new_profile(now: datetime, user_id: UserId, name: str, description: str, is_default: bool) -> MemoryProfile:
    """Raises InvalidName."""
    return MemoryProfile(
        id=ProfileId(new_id()),
        user_id=user_id,
        name=clean_profile_name(name),
        is_default=is_default,
        created_at=now,
        updated_at=now,
        description=description,
    )


def first_profile(user: User) -> MemoryProfile:
    """The default profile that every user is born with."""
    name = ROOM_PROFILE if user.kind is UserKind.SPACE else DEFAULT_PROFILE
    return new_profile(user.created_at, user.id, name, "", is_default=True)


def profile_order(profile: MemoryProfile) -> tuple[bool, str, str]:
    """The default first, then by name, whatever the engine's collation is."""
    return (not profile.is_default, name_key(profile.name), profile.id)


def next_turn(lane: Sequence[InboxRow], owner: str, now: datetime) -> tuple[InboxRow, ...]:
    """The rows to claim next of the open rows of one lane (given by `seq`), as they stand.

    A running turn blocks the lane while another owner's lease holds; else it comes first. Rows are merged only under
    the very same stamp, so that nothing answers or learns under a profile, mode or audience it was not accepted with.
    """
    running = [row for row in lane if row.state is TurnState.RUNNING]
    if running:
        held = any(
            row.lease_owner != owner and row.lease_until is not None and row.lease_until > now for row in running
        )
        return () if held else tuple(sorted(running, key=lambda row: row.merged_into is not None))
    accepted = [row for row in lane if row.state is TurnState.ACCEPTED]
    if not accepted or not accepted[0].mergeable:
        return tuple(accepted[:1])
    head = accepted[0]
    return tuple(takewhile(lambda row: row.mergeable and row.stamp == head.stamp, accepted))


def as_claimed(rows: Sequence[InboxRow], owner: str, lease_until: datetime) -> tuple[InboxRow, ...]:
    """The rows of a turn, head first, as they are once claimed."""
    return tuple(
        replace(
            row,
            state=TurnState.RUNNING,
            merged_into=None if row is rows[0] else rows[0].id,
            lease_owner=owner,
            lease_until=lease_until,
            attempts=row.attempts + 1,
        )
        for row in rows
    )


def as_accepted(row: InboxRow) -> InboxRow:
    """A row handed back to be claimed again."""
    return replace(row, state=TurnState.ACCEPTED, merged_into=None, lease_owner="", lease_until=None)


def head_of(row: InboxRow) -> TurnId:
    """The turn that answers this row."""
    return row.merged_into or row.id


def is_deliverable(state: TurnState, reply: OutboxRow, now: datetime) -> bool:
    """Whether a reply of a turn in this state still has to reach the platform, and may be tried now."""
    return (
        reply.state in UNSENT_STATES
        and state not in OPEN_STATES
        and (reply.next_attempt_at is None or reply.next_attempt_at <= now)
    )


def utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


SUMMARY_FIELDS = frozenset({"summary", "summary_until_seq"})
"""Changes of a session that are no use of it, so that they do not keep it from going idle."""


def stands(covered: Sequence[ChatMessage], held: Iterable[tuple[MessageId, Sealed]]) -> bool:
    """Whether the messages that a summary was made of are all there as they were, and no other among them."""
    return bool(covered) and [(message.id, message.content) for message in covered] == list(held)


def is_unlearned(message: ChatMessage) -> bool:
    """Whether the learning job has still to take a message. One without a turn could never be marked as taken."""
    return (
        message.role is Role.USER
        and message.mode is PrivacyMode.NORMAL
        and message.namespace is not None
        and message.turn_id is not None
        and not message.learned
    )


def message_order(message: ChatMessage) -> tuple[datetime, str, int]:
    return (message.created_at, message.session_id, message.seq)


def needs_all(since: int, current: int, removed: int) -> bool:
    """Whether a reader at generation `since` must take every row: rows went away since, or its namespace is another."""
    return since < removed or since > current


def is_held(lane: Sequence[InboxRow], now: datetime) -> bool:
    """Whether a running turn's lease still blocks a lane."""
    return any(row.lease_until is not None and row.lease_until > now for row in lane if row.state is TurnState.RUNNING)


def patched_profile(old: MemoryProfile, patch: ProfilePatch, now: datetime) -> MemoryProfile:
    """Raises InvalidName."""
    return replace(
        old,
        name=old.name if patch.name is None else clean_profile_name(patch.name),
        description=old.description if patch.description is None else patch.description,
        instructions=old.instructions if patch.instructions is None else patch.instructions,
        retention_days=old.retention_days if patch.retention_days is None else patch.retention_days or None,
        updated_at=now,
    )


def stamped(record: MemoryRecord, generation: int) -> MemoryRecord:
    return replace(record, generation=generation, metadata=plain(record.metadata))


def as_reopened(row: InboxRow) -> InboxRow:
    """An ended row to be answered anew."""
    return replace(as_accepted(row), attempts=0, note="")


def floor_of(conversation: Conversation, parent: Conversation | None) -> PrivacyMode:
    """A thread is under its own floor and that of the place it hangs under."""
    return stricter(conversation.mode_floor, parent.mode_floor) if parent else conversation.mode_floor


def quotes(metadata: Metadata, sources: Set[MemoryId | TurnId]) -> bool:
    """Whether a reply with this metadata used one of the memories, or one that came from one of the turns."""
    lists = (metadata.get(name) for name in ("memories_used", "turns_used"))
    return any(isinstance(used, list | tuple) and not sources.isdisjoint(used) for used in lists)


def quoting_from(
    replies: Iterable[tuple[SessionId, int, Metadata]], sources: Set[MemoryId | TurnId]
) -> dict[SessionId, int]:
    """By session, the `seq` of the first reply that used one of the sources: it stood in the prompts of those after it,
    so that each of them may have said it again."""
    first: dict[SessionId, int] = {}
    for session_id, seq, metadata in replies:
        if quotes(metadata, sources):
            first[session_id] = min(seq, first.get(session_id, seq))
    return first
