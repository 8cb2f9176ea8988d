"""The rows that the store in process memory holds, and how they are looked up by their owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypeVar

from core.batches import LinkOffer
from core.errors import NotFound
from core.messages import InboxRow, OutboxRow
from core.ports.access import AccessGrant
from core.ports.accounts import ApiKey, SignIn
from core.ports.clock import Clock
from core.types import (
    ChannelIdentity,
    ChatMessage,
    ChatSession,
    Conversation,
    ConversationId,
    ErasureReceipt,
    IdentityId,
    Lane,
    Member,
    MemoryId,
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    MemoryState,
    Metadata,
    NamespaceState,
    OutboxId,
    Place,
    PlatformName,
    ProfileId,
    ProfileShare,
    SessionId,
    TurnId,
    Usage,
    User,
    UserId,
)

Row = TypeVar("Row")
PendingKey = tuple[UserId, ConversationId, str]
GrantKey = tuple[PlatformName, str, str]


@dataclass(slots=True)
class Generations:
    """Of one namespace; `removed` is the generation of the last removal."""

    current: int = 0
    erased: int = 0
    removed: int = 0


@dataclass(slots=True)
class Tables:
    """Rows by id, in the order in which they came."""

    users: dict[UserId, User] = field(default_factory=dict)
    identities: dict[IdentityId, ChannelIdentity] = field(default_factory=dict)
    profiles: dict[ProfileId, MemoryProfile] = field(default_factory=dict)
    conversations: dict[ConversationId, Conversation] = field(default_factory=dict)
    places: dict[Place, ConversationId] = field(default_factory=dict)
    turn_seq: dict[ConversationId, int] = field(default_factory=dict)
    members: dict[tuple[ConversationId, UserId], Member] = field(default_factory=dict)
    shares: dict[tuple[ConversationId, MemoryNamespace], ProfileShare] = field(default_factory=dict)
    sessions: dict[SessionId, ChatSession] = field(default_factory=dict)
    message_seq: dict[SessionId, int] = field(default_factory=dict)
    messages: dict[str, ChatMessage] = field(default_factory=dict)
    memories: dict[MemoryId, MemoryRecord] = field(default_factory=dict)
    namespaces: dict[MemoryNamespace, Generations] = field(default_factory=dict)
    inbox: dict[TurnId, InboxRow] = field(default_factory=dict)
    event_keys: dict[str, datetime] = field(default_factory=dict)
    outbox: dict[OutboxId, OutboxRow] = field(default_factory=dict)
    usage: dict[tuple[UserId, date], Usage] = field(default_factory=dict)
    pending: dict[PendingKey, tuple[Metadata, datetime]] = field(default_factory=dict)
    notices: dict[str, datetime] = field(default_factory=dict)
    job_runs: set[tuple[str, datetime]] = field(default_factory=set)
    receipts: dict[str, ErasureReceipt] = field(default_factory=dict)
    link_codes: dict[str, tuple[LinkOffer, datetime]] = field(default_factory=dict)
    link_failures: dict[IdentityId, tuple[int, datetime]] = field(default_factory=dict)
    credentials: dict[UserId, str] = field(default_factory=dict)
    sign_ins: dict[str, SignIn] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    revoked_tokens: dict[str, datetime] = field(default_factory=dict)
    access_grants: dict[GrantKey, AccessGrant] = field(default_factory=dict)

    def user(self, user_id: UserId) -> User:
        return _found(self.users.get(user_id))

    def conversation(self, conversation_id: ConversationId) -> Conversation:
        return _found(self.conversations.get(conversation_id))

    def profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        profile = self.profiles.get(profile_id)
        if profile is None or profile.user_id != user_id:
            raise NotFound
        return replace(profile, memory_count=sum(1 for _ in self.recallable(profile.namespace)))

    def session(self, user_id: UserId, session_id: SessionId) -> ChatSession:
        session = self.sessions.get(session_id)
        if session is None or session.user_id != user_id:
            raise NotFound
        return session

    def memory(self, user_id: UserId, memory_id: MemoryId) -> MemoryRecord:
        record = self.memories.get(memory_id)
        if record is None or record.namespace.user_id != user_id:
            raise NotFound
        return record

    def turn(self, user_id: UserId, turn_id: TurnId) -> InboxRow:
        row = self.inbox.get(turn_id)
        if row is None or user_id not in {row.stamp.author_id, row.stamp.owner_id}:
            raise NotFound
        return row

    def profiles_of(self, user_id: UserId) -> list[MemoryProfile]:
        return [self.profile(user_id, row.id) for row in self.profiles.values() if row.user_id == user_id]

    def owns(self, namespace: MemoryNamespace) -> bool:
        """Whether the namespace's profile is there and its user's."""
        profile = self.profiles.get(namespace.profile_id)
        return profile is not None and profile.user_id == namespace.user_id

    def recallable(self, namespace: MemoryNamespace) -> Iterator[MemoryRecord]:
        for record in self.memories.values():
            if record.namespace == namespace and record.state is not MemoryState.SUPERSEDED:
                yield record

    def state(self, namespace: MemoryNamespace) -> NamespaceState:
        generations = self.namespaces.get(namespace, Generations())
        return NamespaceState(generations.current, generations.erased)

    def move_on(self, namespace: MemoryNamespace, *, removed: bool = False, erased: bool = False) -> int:
        """The namespace's next generation."""
        generations = self.namespaces.setdefault(namespace, Generations())
        generations.current += 1
        generations.erased += erased
        if removed:
            generations.removed = generations.current
        return generations.current

    def drop_account(self, user_id: UserId) -> None:
        """Password, sign-ins and API keys."""
        self.credentials.pop(user_id, None)
        for sign_in_id in [key for key, row in self.sign_ins.items() if row.user_id == user_id]:
            del self.sign_ins[sign_in_id]
        for key_hash in [key for key, row in self.api_keys.items() if row.user_id == user_id]:
            del self.api_keys[key_hash]

    def drop_link_codes(self, users: set[UserId]) -> None:
        for code_hash in [key for key, (offer, _) in self.link_codes.items() if offer.user_id in users]:
            del self.link_codes[code_hash]

    def rows_of_turn(self, turn_id: TurnId) -> list[InboxRow]:
        """Head first, then what was merged into it."""
        head = self.inbox.get(turn_id)
        merged = [row for row in self.inbox.values() if row.merged_into == turn_id]
        return [head, *merged] if head else []

    def lane(self, conversation_id: ConversationId, lane: Lane) -> list[InboxRow]:
        rows = [r for r in self.inbox.values() if r.stamp.conversation_id == conversation_id and r.lane is lane]
        return sorted(rows, key=lambda row: row.seq)

    def append_message(self, message: ChatMessage) -> ChatMessage:
        seq = self.message_seq.get(message.session_id, 0) + 1
        self.message_seq[message.session_id] = seq
        stored = replace(message, seq=seq)
        self.messages[message.id] = stored
        return stored

    def drop_messages(self, gone: set[str]) -> int:
        """Remove messages by id; their sessions' counts follow, and summaries go, for they may quote them."""
        for namespace in {self.messages[key].namespace for key in gone}:
            if namespace is not None:
                self.move_on(namespace, removed=True)
        for message_id in gone:
            session = self.sessions[self.messages.pop(message_id).session_id]
            count = max(0, session.message_count - 1)
            self.sessions[session.id] = replace(session, message_count=count, summary=None, summary_until_seq=0)
        return len(gone)

    def drop_turns(self, gone: set[TurnId]) -> int:
        """Remove turns with their replies; how many replies there were."""
        for turn_id in gone:
            del self.inbox[turn_id]
        return self.drop_replies(gone)

    def drop_replies(self, turns: set[TurnId]) -> int:
        replies = [row.id for row in self.outbox.values() if row.turn_id in turns]
        for reply_id in replies:
            del self.outbox[reply_id]
        return len(replies)

    def drop_session(self, session_id: SessionId) -> int:
        """Remove a session with its messages, turns and replies; how many messages there were."""
        messages = self.drop_messages({row.id for row in self.messages.values() if row.session_id == session_id})
        self.drop_turns({row.id for row in self.inbox.values() if row.stamp.session_id == session_id})
        del self.sessions[session_id]
        self.message_seq.pop(session_id, None)
        return messages


def _found(row: Row | None) -> Row:
    if row is None:
        raise NotFound
    return row


class Group:
    """What every part of the store stands on. No method awaits between reading and writing, and each checks before
    its first write, so that every call is one transaction on the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tables = Tables()
