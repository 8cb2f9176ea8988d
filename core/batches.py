"""What goes into the store, or comes out of it, in one piece: patches, batches and scenes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.messages import InboxRow, OutboxRow
from core.sealing import Sealed
from core.types import (
    ChannelIdentity,
    ChatMessage,
    ChatSession,
    Conversation,
    ConversationId,
    Member,
    MemoryId,
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    Metadata,
    NamespaceState,
    PrivacyMode,
    ProfileId,
    ProfileShare,
    SessionId,
    TurnId,
    TurnState,
    Usage,
    User,
    UserId,
)


@dataclass(frozen=True, slots=True)
class UserPatch:
    """Only what is not None changes."""

    email: str | None = None
    display_name: str | None = None
    language: str | None = None
    timezone: str | None = None
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ProfilePatch:
    """Only what is not None changes. `retention_days` 0 removes the limit."""

    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class SessionPatch:
    """Only what is not None changes; `summary` goes with the `seq` of the last message it covers."""

    memory_profile_id: ProfileId | None = None
    privacy_mode: PrivacyMode | None = None
    closed_at: datetime | None = None
    summary: Sealed | None = None
    summary_until_seq: int | None = None


@dataclass(frozen=True, slots=True)
class AcceptBatch:
    """All that accepting one message writes.

    `member` is written when given, and must carry the version that was read (StaleMember otherwise).
    `close_sessions` are
    closed, `open_session` inserted, `outbox` is a reply that is ready already (commands that act at accept).
    `before` are
    rows with their ready replies that come first in the lane (a welcome); one whose event is known already is left out.
    `mode_floor` is set, when given, on the row's conversation or, of a thread, on the one that it hangs under; `cursor`
    moves the row's conversation's cursor.
    """

    row: InboxRow
    member: Member | None = None
    close_sessions: tuple[SessionId, ...] = ()
    open_session: ChatSession | None = None
    outbox: OutboxRow | None = None
    before: tuple[tuple[InboxRow, OutboxRow], ...] = ()
    mode_floor: PrivacyMode | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Rows of the inbox by what they wait for; `oldest` is when the one that waits longest was accepted."""

    waiting: int
    running: int
    failed: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """All that an answered turn writes: messages, memories, usage, the reply's content, the turn's end.

    `lease_owner` must still hold the turn's lease (StaleMember otherwise: another worker took over). `messages` get
    their
    `seq` here. A memory whose namespace's erase generation is no longer the one in `erase_generations` is left out.
    `outbox` is the turn's reply as it stands from now on, inserted or in the place of the one that the turn has.
    `count_messages` adds to the session's message count for messages that are not stored (incognito).
    """

    turn_id: TurnId
    rows: tuple[TurnId, ...]
    lease_owner: str
    state: TurnState
    at: datetime
    session_id: SessionId
    messages: tuple[ChatMessage, ...] = ()
    memories: tuple[MemoryRecord, ...] = ()
    erase_generations: tuple[tuple[MemoryNamespace, int], ...] = ()
    outbox: OutboxRow | None = None
    usage_of: UserId | None = None
    usage: Usage = Usage()
    count_messages: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class LearnBatch:
    """The one write of a learning batch.

    ErasedMeanwhile when the namespace's erase generation is no longer the given one, or when memories or messages of it
    went away after generation `read_at` (None: that does not matter): what was forgotten must not come back.
    """

    namespace: MemoryNamespace
    erase_generation: int
    add: tuple[MemoryRecord, ...] = ()
    remove: tuple[MemoryId, ...] = ()
    supersede: tuple[tuple[MemoryId, MemoryId], ...] = ()
    read_at: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryChanges:
    """What changed in a namespace after a generation. `complete`: rows went away, so `records` is all there is now."""

    state: NamespaceState
    records: tuple[MemoryRecord, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class LinkOffer:
    """Who made a link code, and the private conversation where; that is where they are told of the joining."""

    user_id: UserId
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class MergeBatch:
    """Two people become one: `source` joins `target`, see `LinkStore.merge_users`.

    `profiles` are the source's profiles except its default, each with the name it gets; `default_profile` is the
    target's
    default, which the source's default joins; `records` are the source's memories under their new namespaces;
    `generations` what was read of the source's namespaces when the records were made.
    """

    source: UserId
    target: UserId
    at: datetime
    default_profile: ProfileId
    profiles: tuple[tuple[ProfileId, str], ...] = ()
    records: tuple[MemoryRecord, ...] = ()
    generations: tuple[tuple[MemoryNamespace, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """Who speaks where, as accepting a message needs it.

    `own_session` is the newest open one of the person there, `space_session` that of the shared place; `shares` are the
    profiles that members let this room recall; `floor` is the strictest mode that a manager of the place or of the
    place
    that a thread hangs under set for all.
    """

    user: User
    identity: ChannelIdentity
    conversation: Conversation
    member: Member
    profiles: tuple[MemoryProfile, ...]
    floor: PrivacyMode
    space: MemoryNamespace | None = None
    own_session: ChatSession | None = None
    space_session: ChatSession | None = None
    shares: tuple[ProfileShare, ...] = ()


@dataclass(frozen=True, slots=True)
class TalkScene:
    """What answering a turn needs; `messages` are the newest ones of the session, oldest first.

    `erase_generation` is that of the namespace which learns from the turn: what an erasure overtakes is not written.
    """

    user: User
    session: ChatSession
    profile: MemoryProfile
    messages: tuple[ChatMessage, ...]
    erase_generation: int = 0
