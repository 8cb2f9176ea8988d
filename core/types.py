"""The nouns of the domain. Ids are opaque strings: the core compares them and never looks inside."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from core.errors import InvalidNamespace
from core.sealing import Sealed

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
Metadata = Mapping[str, JsonValue]

PlatformName = NewType("PlatformName", str)
UserId = NewType("UserId", str)
IdentityId = NewType("IdentityId", str)
ProfileId = NewType("ProfileId", str)
ConversationId = NewType("ConversationId", str)
SessionId = NewType("SessionId", str)
TurnId = NewType("TurnId", str)
MessageId = NewType("MessageId", str)
MemoryId = NewType("MemoryId", str)
OutboxId = NewType("OutboxId", str)


_CANONICAL_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """A fresh random id: a lower-case UUID 4 with hyphens."""
    return str(uuid.uuid4())


class UserKind(StrEnum):
    PERSON = "person"
    SPACE = "space"


class ConversationKind(StrEnum):
    PRIVATE = "private"
    SHARED = "shared"


class Audience(StrEnum):
    """Who can read one reply: the asker alone, or everybody in the room."""

    ASKER = "asker"
    ROOM = "room"


class PrivacyMode(StrEnum):
    """Ordered by strictness, see `core.privacy.stricter`."""

    NORMAL = "normal"
    PAUSE_MEMORIES = "pause_memories"
    INCOGNITO = "incognito"


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MemoryState(StrEnum):
    RECENT = "recent"
    LEARNED = "learned"
    SUPERSEDED = "superseded"


class TurnState(StrEnum):
    """`accepted → running → answered`; the other three are ends without an answer of the model."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    ANSWERED = "answered"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    FAILED = "failed"


class Lane(StrEnum):
    """MAIN turns run one at a time per conversation, in order; EXPRESS ones pass a running turn."""

    MAIN = "main"
    EXPRESS = "express"


class OutboxState(StrEnum):
    """`ready`: nothing left this machine yet; `sending`: something may have; `sent`: the platform has it all."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MemoryNamespace:
    """The key of every memory read and write. Only two UUIDs build one, so `*`, `:` and blanks cannot get in.

    Raises:
        InvalidNamespace: a part is not a UUID in canonical form.
    """

    user_id: UserId
    profile_id: ProfileId

    def __post_init__(self) -> None:
        for part in (self.user_id, self.profile_id):
            if not is_canonical_uuid(part):
                raise InvalidNamespace

    def __str__(self) -> str:
        return f"{self.user_id}:{self.profile_id}"

    @classmethod
    def parse(cls, text: str) -> MemoryNamespace:
        """The inverse of `str()`. Raises InvalidNamespace."""
        user_id, _, profile_id = text.partition(":")
        return cls(UserId(user_id), ProfileId(profile_id))


def is_canonical_uuid(text: str) -> bool:
    """Whether `text` is a UUID written the one way `new_id` writes it."""
    return isinstance(text, str) and _CANONICAL_UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a shared place with a memory of its own. `timezone` is an IANA name, `language` an ISO 639-1
    code."""

    id: UserId
    kind: UserKind
    created_at: datetime
    updated_at: datetime
    email: str | None = None
    display_name: str = ""
    language: str | None = None
    timezone: str = "UTC"
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelIdentity:
    """One account of a person on one platform. `workspace_id` is `''` where the platform has none."""

    id: IdentityId
    user_id: UserId
    platform: PlatformName
    workspace_id: str
    external_id: str
    display_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """A named memory of one user. `retention_days` None: kept until forgotten. `memory_count` is what can be
    recalled, where a ProfileStore read it; a scene does not count."""

    id: ProfileId
    user_id: UserId
    name: str
    is_default: bool
    created_at: datetime
    updated_at: datetime
    description: str = ""
    instructions: str = ""
    retention_days: int | None = None
    memory_count: int = 0

    @property
    def namespace(self) -> MemoryNamespace:
        return MemoryNamespace(self.user_id, self.id)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was written: the natural key of a conversation. `''` for parts a platform does not have."""

    platform: PlatformName
    workspace_id: str
    chat_id: str
    thread_id: str = ""

    @property
    def parent(self) -> Place | None:
        """The place that a thread hangs under, None for a place that is no thread."""
        return Place(self.platform, self.workspace_id, self.chat_id) if self.thread_id else None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A place as the store knows it.

    `space_id` is the space user that owns a SHARED conversation's sessions and memory (threads share their parent's);
    `mode_floor` the strictest-for-all mode that a room's managers set; `cursor` the platform's id of the newest stored
    message, for reading back after downtime.
    """

    id: ConversationId
    place: Place
    kind: ConversationKind
    created_at: datetime
    parent_id: ConversationId | None = None
    space_id: UserId | None = None
    mode_floor: PrivacyMode = PrivacyMode.NORMAL
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a conversation: their mode, the profile they chose for that place (None: their default), and since
    when.

    `version` grows with every change; `Store.accept` refuses a stale one, so that two processes cannot undo each other.
    """

    conversation_id: ConversationId
    user_id: UserId
    mode: PrivacyMode = PrivacyMode.NORMAL
    profile_id: ProfileId | None = None
    version: int = 0
    welcomed: bool = False


@dataclass(frozen=True, slots=True)
class ProfileShare:
    """A profile whose owner lets one room's replies recall it."""

    conversation_id: ConversationId
    namespace: MemoryNamespace
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChatSession:
    """One stretch of talk. `message_count` counts every message, also those of incognito whose text is nowhere."""

    id: SessionId
    user_id: UserId
    conversation_id: ConversationId | None
    memory_profile_id: ProfileId | None
    privacy_mode: PrivacyMode
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    message_count: int = 0
    summary: Sealed | None = None
    summary_until_seq: int = 0


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One stored message. `seq` orders the messages of a session without gaps; `learned` marks what the learning job
    has taken."""

    id: MessageId
    session_id: SessionId
    role: Role
    content: Sealed
    created_at: datetime
    seq: int = 0
    turn_id: TurnId | None = None
    author_id: UserId | None = None
    author_name: str = ""
    mode: PrivacyMode = PrivacyMode.NORMAL
    namespace: MemoryNamespace | None = None
    learned: bool = False
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A memory as the store holds it: sealed text and vector.

    `embedder` names model and dimension (`name/384`); `said_at` is when the person said it; `generation` is the
    namespace's generation at its last change, set by the store; `superseded_by` the memory that replaced it.
    """

    id: MemoryId
    namespace: MemoryNamespace
    text: Sealed
    vector: Sealed | None
    embedder: str
    state: MemoryState
    said_at: datetime
    created_at: datetime
    updated_at: datetime
    author_id: UserId | None = None
    author_name: str = ""
    language: str = ""
    platform: PlatformName = PlatformName("")
    source_turns: tuple[TurnId, ...] = ()
    superseded_by: MemoryId | None = None
    generation: int = 0
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory in the clear, as the engine and the person see it."""

    id: MemoryId
    namespace: MemoryNamespace
    text: str
    state: MemoryState
    said_at: datetime
    created_at: datetime
    updated_at: datetime
    author_id: UserId | None = None
    author_name: str = ""
    language: str = ""
    platform: PlatformName = PlatformName("")
    source_turns: tuple[TurnId, ...] = ()
    superseded_by: MemoryId | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecalledMemory:
    """A memory that a search found; `score` is comparable within one search only, higher is better."""

    memory: Memory
    score: float


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """`generation` grows with every change of the namespace; `erase_generation` with every erasure of all of it."""

    generation: int = 0
    erase_generation: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a person used in one day (UTC)."""

    messages: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was removed, from which stores, when; never what it said. `verified`: a second search found nothing."""

    id: str
    user_id: UserId
    scope: str
    removed: Mapping[str, int]
    verified: bool
    created_at: datetime
