"""The one persistent copy of everything, as small protocols that together are the `Store`.

Rules for every implementation:

- Content comes and goes as `Sealed`; a store never sees a text in the clear.
- Every call that names a row by id takes the owner as well; a row of somebody else's is NotFound.
- Each call is one transaction. Times are aware, in UTC. Lists have a stable order, so that pages neither repeat nor
skip.
- StoreUnavailable: locked or away, nothing was written, try again. StoreFull, StoreReadOnly: nothing was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from core.messages import InboxRow, OutboxRow, Stamp
from core.ports.access import AccessStore
from core.ports.accounts import AccountStore
from core.sealing import Sealed
from core.types import (
    ChannelIdentity,
    ChatMessage,
    ChatSession,
    Conversation,
    ConversationId,
    ConversationKind,
    ErasureReceipt,
    IdentityId,
    Lane,
    Member,
    MemoryId,
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    Metadata,
    NamespaceState,
    OutboxId,
    OutboxState,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    ProfileShare,
    SessionId,
    TurnId,
    TurnState,
    Usage,
    User,
    UserId,
    UserKind,
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
class RecordBatch:
    """All that an answered turn writes: messages, memories, usage, the reply's content, the turn's end.

    `lease_owner` must still hold the turn's lease (StaleMember otherwise: another worker took over). `messages` get
    their
    `seq` here. A memory whose namespace's erase generation is no longer the one in `erase_generations` is left out.
    `content` None leaves the reply's as it is. `deliver_by`
    becomes the outbox row's `next_attempt_at`: until then this process is delivering it.
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
    outbox_id: OutboxId | None = None
    content: Sealed | None = None
    deliver_by: datetime | None = None
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


class SceneStore(Protocol):
    """What the reply path reads, each in one look."""

    async def read_scene(
        self, platform: PlatformName, workspace_id: str, external_id: str, place: Place
    ) -> Scene | None:
        """None: the person or the place is not known yet."""
        ...

    async def read_talk(self, stamp: Stamp, history: int) -> TalkScene:
        """Raises NotFound when session, person or profile is gone."""
        ...


class UserStore(Protocol):
    async def get_user_by_id(self, user_id: UserId) -> User: ...

    async def get_user_by_email(self, email: str) -> User | None: ...

    async def create_user(
        self,
        email: str | None = None,
        user_id: UserId | None = None,
        *,
        kind: UserKind = UserKind.PERSON,
        display_name: str = "",
    ) -> User:
        """Also makes the default profile (named `personal`; `room` for a space). Raises Conflict on a taken e-mail
        or id."""
        ...

    async def update_user(self, user_id: UserId, patch: UserPatch) -> User: ...

    async def find_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str
    ) -> ChannelIdentity | None: ...

    async def resolve_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        """Get or create, with user and default profile; whether it was created. A changed display name is kept."""
        ...

    async def add_identity(
        self, user_id: UserId, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> ChannelIdentity:
        """Give a user one more account; the existing one when they have it. Raises Conflict when it is somebody
        else's."""
        ...

    async def get_identities(self, user_id: UserId) -> list[ChannelIdentity]: ...

    async def move_identity(self, user_id: UserId, identity_id: IdentityId, new_user_id: UserId) -> ChannelIdentity: ...

    async def add_usage(self, user_id: UserId, day: date, usage: Usage) -> None: ...

    async def get_usage(self, user_id: UserId | None, day: date) -> Usage:
        """Of one user, or of the whole instance for None."""
        ...


class ProfileStore(Protocol):
    """Names are unique per user, compared by `core.profiles.name_key`. Exactly one profile is the default, always."""

    async def get_memory_profiles(self, user_id: UserId) -> list[MemoryProfile]:
        """Default first, then by name; `memory_count` counts what can be recalled."""
        ...

    async def create_memory_profile(
        self, user_id: UserId, name: str, description: str = "", is_default: bool = False
    ) -> MemoryProfile:
        """Raises NameTaken, InvalidName, NotFound (no such user)."""
        ...

    async def update_memory_profile(
        self, user_id: UserId, profile_id: ProfileId, patch: ProfilePatch
    ) -> MemoryProfile: ...

    async def delete_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        """With its memories and shares; its sessions are closed and lose the profile; members who chose it fall back to
        their default; another one becomes default where needed. How many memories went. Raises OnlyProfile."""
        ...

    async def get_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile: ...

    async def get_default_memory_profile(self, user_id: UserId) -> MemoryProfile: ...

    async def set_default_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile: ...

    async def share_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> None:
        """Idempotent."""
        ...

    async def unshare_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> bool: ...

    async def get_shares(self, conversation_id: ConversationId) -> list[ProfileShare]: ...

    async def get_user_shares(self, user_id: UserId) -> list[ProfileShare]: ...


class ConversationStore(Protocol):
    async def resolve_conversation(self, place: Place, kind: ConversationKind) -> Conversation:
        """Get or create; a thread's parent and a shared place's space user (with its profile) are made along."""
        ...

    async def find_conversation(self, place: Place) -> Conversation | None: ...

    async def get_conversation(self, conversation_id: ConversationId) -> Conversation: ...

    async def list_conversations(self, platform: PlatformName) -> list[Conversation]:
        """For reading back what was written while the bot was away."""
        ...

    async def get_member(self, conversation_id: ConversationId, user_id: UserId) -> Member:
        """The stored member, or a fresh one (version 0, not stored) with the mode and profile of the parent's
        member."""
        ...

    async def save_member(self, member: Member) -> Member:
        """Raises StaleMember when `member.version` is not the stored one; returns it with its new version."""
        ...

    async def move_conversation(self, place: Place, new_place: Place) -> None:
        """A chat got a new id on its platform: members, sessions and memory stay with it. No-op when unknown."""
        ...


class SessionStore(Protocol):
    async def create_chat_session(
        self,
        user_id: UserId,
        profile_id: ProfileId | None,
        privacy_mode: PrivacyMode,
        *,
        conversation_id: ConversationId | None = None,
        session_id: SessionId | None = None,
    ) -> ChatSession:
        """Raises NotFound for another user's profile."""
        ...

    async def get_chat_session(self, user_id: UserId, session_id: SessionId) -> ChatSession: ...

    async def get_active_session(self, conversation_id: ConversationId, user_id: UserId) -> ChatSession | None:
        """The newest open session that this owner has in a conversation."""
        ...

    async def update_chat_session(self, user_id: UserId, session_id: SessionId, patch: SessionPatch) -> ChatSession: ...

    async def delete_chat_session(self, user_id: UserId, session_id: SessionId) -> int:
        """With its messages, turns and replies; how many messages there were."""
        ...

    async def get_user_sessions(
        self, user_id: UserId, limit: int = 50, offset: int = 0, *, profile_id: ProfileId | None = None
    ) -> list[ChatSession]:
        """Newest `updated_at` first."""
        ...

    async def create_chat_message(self, user_id: UserId, message: ChatMessage) -> ChatMessage:
        """`user_id` owns the session; `seq` is set here."""
        ...

    async def get_session_messages(
        self, user_id: UserId, session_id: SessionId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        """Oldest first."""
        ...

    async def get_recent_messages(self, user_id: UserId, session_id: SessionId, limit: int) -> list[ChatMessage]:
        """The newest `limit` ones, oldest first."""
        ...

    async def get_turn_messages(self, user_id: UserId, turn_id: TurnId) -> list[ChatMessage]:
        """The messages that came of one turn; `user_id` is their author or owns the session."""
        ...

    async def delete_session_messages(self, user_id: UserId, session_id: SessionId) -> int: ...

    async def get_unlearned_messages(self, namespace: MemoryNamespace, limit: int) -> list[ChatMessage]:
        """User messages in normal mode that the learning job has not taken, with the replies of their turns; by
        time."""
        ...

    async def find_namespaces_to_learn(self, quiet_before: datetime, min_messages: int) -> list[MemoryNamespace]:
        """Those with unlearned messages that are older than `quiet_before`, or at least `min_messages` of them."""
        ...

    async def mark_learned(self, namespace: MemoryNamespace, turns: Sequence[TurnId]) -> None: ...


class MemoryStore(Protocol):
    async def store_mem0_memory_reference(
        self, record: MemoryRecord, *, erase_generation: int | None = None
    ) -> MemoryRecord:
        """Insert, or replace the row of the same id and namespace. Raises ErasedMeanwhile when `erase_generation` is
        given and no longer current, NotFound when the profile is gone."""
        ...

    async def get_mem0_memory_references(
        self,
        namespace: MemoryNamespace,
        limit: int = 100,
        offset: int = 0,
        *,
        include_superseded: bool = False,
    ) -> list[MemoryRecord]:
        """Newest `said_at` first."""
        ...

    async def get_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> MemoryRecord: ...

    async def count_mem0_memory_references(self, namespace: MemoryNamespace) -> int:
        """Without the superseded ones."""
        ...

    async def delete_mem0_memory_reference(self, user_id: UserId, memory_id: MemoryId) -> None: ...

    async def get_namespace_state(self, namespace: MemoryNamespace) -> NamespaceState: ...

    async def get_memory_changes(self, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        """Recallable and superseded rows whose generation is above `since`; all of them when rows went away since."""
        ...

    async def apply_learning(self, batch: LearnBatch) -> NamespaceState: ...

    async def find_memories_by_turn(self, user_id: UserId, turn_id: TurnId) -> list[MemoryRecord]:
        """Memories of this owner or author that have the turn among their sources."""
        ...

    async def find_memories_to_embed(self, embedder: str, limit: int) -> list[MemoryRecord]:
        """Rows whose vector was made by another embedder."""
        ...

    async def erase_namespace(self, namespace: MemoryNamespace) -> int:
        """Remove every memory and move both generations on; how many there were."""
        ...


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
        """Also counts an attempt when the state is `sending`. The content of a `sent` row goes away: its text lives
        on in
        the session's messages only."""
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


class LinkStore(Protocol):
    """Joining the accounts of one person. Codes are stored as hashes; wrong tries count per trying account."""

    async def put_link_code(self, offer: LinkOffer, code_hash: str, expires_at: datetime) -> None:
        """Replaces an earlier code of the same user, so that at most one is open. Raises NotFound: no such user."""
        ...

    async def take_link_code(self, code_hash: str, now: datetime) -> LinkOffer | None:
        """Who offered it, once and never again; None: unknown, expired (`expires_at <= now`) or used."""
        ...

    async def get_link_failures(self, identity_id: IdentityId, forget_before: datetime) -> int:
        """Wrong tries counted so far; 0 when the newest of them is older than `forget_before`."""
        ...

    async def count_link_failure(self, identity_id: IdentityId, now: datetime, forget_before: datetime) -> int:
        """Count one more wrong try at `now`, atomically; the count with it. Starts again at 1 when the newest earlier
        one is older than `forget_before`."""
        ...

    async def clear_link_failures(self, identity_id: IdentityId) -> None: ...

    async def merge_users(self, batch: MergeBatch) -> None:
        """Everything of `batch.source` becomes `batch.target`'s, in one transaction; the source user is gone after.

        - Identities, sessions, messages and authored memories in spaces (author), turns with their stamps, replies,
          shares, receipts and credentials change their user. Usage of the same day is added up.
        - Profiles in `batch.profiles` keep their id and move under the given name, never as default. The source's
          default profile goes away; what named it (sessions, members, stamps, messages, shares) names
          `batch.default_profile` of the target. Namespaces in rows change with user and profile. Empty instructions of
          the target's default profile are filled with the source's.
        - `batch.records` replace the source's memory rows (same ids, new namespace, sealed anew); the source's rows
        that
          are not among them go away. Every namespace touched moves its generation on; the source's also their erase
          generation, so that work under way for them cannot write any more.
        - Members of both in one conversation: the stricter mode wins, the target's profile stays.
        - Pending rows and link codes of both go away.

        Raises NotFound for either user, StaleMember when a generation in `batch.generations` is no longer current
        (nothing is written: read again and try again), NameTaken for a name that the target has.
        """
        ...


class ForgettingStore(Protocol):
    """Words that are to go, beside the memories that were made of them. A namespace that messages go from counts it as
    a removal, see `LearnBatch`; summaries of their sessions go too."""

    async def forget_turns(
        self, user_id: UserId, turns: Sequence[TurnId], memories: Sequence[MemoryId] = ()
    ) -> Mapping[str, int]:
        """Remove the messages and the ended rows of turns that this user wrote or owns, and every reply that used one
        of `memories`, with those after it in the same talk, whose prompts it stood in. How many `messages` and
        `turns` went; unknown ids are passed over."""
        ...

    async def change_message(
        self, user_id: UserId, turn_id: TurnId, content: Sealed, *, rows: Mapping[TurnId, Sealed] | None = None
    ) -> bool:
        """What this author said in a turn has another text now, which is to be learned anew; whether there was one.
        `rows` are the new contents of the turn's rows that changed."""
        ...

    async def expire(self, now: datetime, messages: timedelta | None, memories: timedelta | None) -> Mapping[str, int]:
        """Remove messages (with the ended rows of their turns) and memories that are older than that; None: no limit.
        A profile's own `retention_days` goes before both. How many `messages` and `memories` went."""
        ...


class ExportStore(Protocol):
    """What a person left in places that belong to somebody else: rooms."""

    async def get_authored_messages(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        """Messages by this author in sessions that they do not own; oldest first."""
        ...

    async def get_authored_memories(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[MemoryRecord]:
        """Memories by this author in namespaces of other users (spaces), superseded ones too; oldest `said_at`
        first."""
        ...


class ErasureStore(Protocol):
    async def erase_user(self, user_id: UserId, at: datetime) -> ErasureReceipt:
        """Everything of a person: profiles, memories, sessions, messages, turns, replies, members, shares, usage,
        pending, identities, the user. Event keys stay. Verified by counting again; the receipt is stored."""
        ...

    async def save_receipt(self, receipt: ErasureReceipt) -> None: ...

    async def get_receipt(self, receipt_id: str) -> ErasureReceipt | None: ...


class Maintenance(Protocol):
    async def open(self) -> None:
        """Connect and check the schema. Raises SchemaMismatch, StoreReadOnly, StoreUnavailable."""
        ...

    async def close(self) -> None: ...

    async def take_runner_lock(self, owner: str) -> None:
        """Raises AnotherRunner. The lock goes with the process, also when it is killed."""
        ...

    async def release_runner_lock(self) -> None: ...

    async def claim_job_run(self, job: str, tick: datetime) -> bool:
        """Whether this process is the first to run a job for a tick."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop expired pending rows, notices and event keys that no redelivery can match any more."""
        ...

    async def compact(self) -> None:
        """Checkpoint and shrink where the engine needs it, so that deleted bytes leave the disk."""
        ...

    async def has_sealed_rows(self) -> bool:
        """Whether any content needs a key to be read."""
        ...


class Store(
    SceneStore,
    UserStore,
    ProfileStore,
    ConversationStore,
    SessionStore,
    MemoryStore,
    TurnStore,
    PendingStore,
    LinkStore,
    ForgettingStore,
    ExportStore,
    ErasureStore,
    AccountStore,
    AccessStore,
    Maintenance,
    Protocol,
):
    """All of it."""
