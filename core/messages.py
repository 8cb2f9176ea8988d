"""What comes in from a platform and what goes out to one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.sealing import Sealed
from core.types import (
    Audience,
    ConversationId,
    ConversationKind,
    IdentityId,
    Lane,
    MemoryId,
    MemoryNamespace,
    OutboxId,
    OutboxState,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    SessionId,
    TurnId,
    TurnState,
    UserId,
    new_id,
)


class RoomRole(StrEnum):
    """The sender's standing in a room. In a private chat everybody is MEMBER."""

    MEMBER = "member"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Sender:
    external_id: str
    display_name: str = ""
    is_bot: bool = False
    role: RoomRole = RoomRole.MEMBER
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. `reference` is what the adapter's `fetch` needs; `size` is in bytes, 0 when unknown."""

    kind: str
    name: str
    media_type: str
    size: int
    reference: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message, button press or slash command, normalised by a `translate.py`.

    `text` has the mention of the bot removed. `addressed`: meant for the bot (private chat, mention, reply to it, slash
    command). `audience` ASKER: the platform lets the answer be shown to the asker alone (slash command, button).
    `handle` is the adapter's key to an open interaction (ephemeral answers), `''` when there is none. `thread_root` is
    the `event_id` of the message that this thread starts at, `cursor` the platform's id for reading history back,
    `server_id` the community that a room belongs to where its place does not say so (asked by the access rules only),
    `raw` the payload, kept out of repr, logs and stores. `forwarded`: it holds words of somebody else, so that nothing
    in it is a command and nothing of it is learned.
    """

    place: Place
    kind: ConversationKind
    sender: Sender
    text: str
    event_id: str
    sent_at: datetime
    message_id: str = ""
    addressed: bool = True
    audience: Audience = Audience.ROOM
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    reply_thread: str = ""
    thread_root: str = ""
    handle: str = ""
    cursor: str = ""
    server_id: str = ""
    forwarded: bool = False
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def event_key(self) -> str:
        return event_key(self.place.platform, self.place.workspace_id, self.event_id)


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message's author changed its text on the platform. `event_id` is the original message's."""

    place: Place
    sender: Sender
    event_id: str
    text: str

    @property
    def event_key(self) -> str:
        return event_key(self.place.platform, self.place.workspace_id, self.event_id)


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was removed on the platform. `event_id` is the original message's."""

    place: Place
    event_id: str

    @property
    def event_key(self) -> str:
        return event_key(self.place.platform, self.place.workspace_id, self.event_id)


InboundEvent = InboundMessage | MessageEdited | MessageDeleted


def event_key(platform: str, workspace_id: str, event_id: str) -> str:
    """The unique key of a platform event: a hash, so that it can outlive an erasure without telling anything."""
    return hashlib.sha256("\x1f".join((platform, workspace_id, event_id)).encode("utf-8", "surrogatepass")).hexdigest()


class Acceptance(StrEnum):
    """What became of an inbound event. Everything but an exception may be acknowledged to the platform."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where a reply goes. `thread_id` is where it is shown, which in a Slack DM is not part of the conversation.

    `recipient` is the asker's external id (for ephemeral and direct messages), `reply_to` the platform's id of the
    message answered, `handle` the open interaction, if any.
    """

    place: Place
    kind: ConversationKind
    recipient: str
    thread_id: str = ""
    reply_to: str = ""
    handle: str = ""

    @classmethod
    def of(cls, message: InboundMessage) -> ReplyAddress:
        """Back to where a message came from."""
        return cls(
            place=message.place,
            kind=message.kind,
            recipient=message.sender.external_id,
            thread_id=message.reply_thread or message.place.thread_id,
            reply_to=message.message_id,
            handle=message.handle,
        )


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a turn is bound to from the moment it is accepted; nothing later re-reads the current setting instead.

    `owner_id` owns the session (the person in private, the space in a room). `recall` are the namespaces its reply may
    use, `learn` the one its facts go to; None: nothing is learned.
    """

    conversation_id: ConversationId
    session_id: SessionId
    author_id: UserId
    identity_id: IdentityId
    owner_id: UserId
    profile_id: ProfileId
    mode: PrivacyMode
    audience: Audience
    recall: tuple[MemoryNamespace, ...]
    learn: MemoryNamespace | None


@dataclass(frozen=True, slots=True)
class TurnContent:
    """What a turn says. Sealed into the inbox row as JSON; of an incognito turn it is in the EphemeralStore only."""

    text: str
    sender_name: str = ""
    attachments: tuple[Attachment, ...] = ()
    handle: str = ""
    role: RoomRole = RoomRole.MEMBER


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One accepted message as the store holds it. `content` None: the text is in the EphemeralStore (incognito).

    `seq` orders the rows of a conversation; `merged_into` names the turn that answers this row together with its own.
    `mergeable` rows (plain talk of one sender in one mode and session) may be answered together; `is_command` rows
    are no talk: the command router answers them, or their reply is ready.
    """

    id: TurnId
    event_key: str
    stamp: Stamp
    address: ReplyAddress
    content: Sealed | None
    lane: Lane
    mergeable: bool
    is_command: bool
    state: TurnState
    sent_at: datetime
    accepted_at: datetime
    seq: int = 0
    merged_into: TurnId | None = None
    lease_owner: str = ""
    lease_until: datetime | None = None
    attempts: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """What a turn's files became, for this turn only: `images` are data URLs, `notice` says what was left aside."""

    images: tuple[str, ...] = field(default=(), repr=False)
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One input, possibly several merged messages, opened for answering."""

    id: TurnId
    stamp: Stamp
    address: ReplyAddress
    content: TurnContent
    sent_at: datetime
    rows: tuple[TurnId, ...]
    attempts: int = 1
    media: Media = Media()


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a reply. Pressing it sends `command` as a message of whoever pressed; at most 60 bytes of
    UTF-8."""

    label: str
    command: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class OutboundFile:
    """A small file handed to the person, an export for instance."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


class ReplyKind(StrEnum):
    ANSWER = "answer"
    COMMAND = "command"
    NOTICE = "notice"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply in canonical Markdown. `badge` is the mode's sign (`''` in normal mode), shown with every reply.

    `maybe_duplicate`: an earlier try may have arrived; the adapter's text says so.
    """

    text: str
    kind: ReplyKind
    audience: Audience
    mode: PrivacyMode = PrivacyMode.NORMAL
    badge: str = ""
    buttons: tuple[Button, ...] = ()
    files: tuple[OutboundFile, ...] = ()
    maybe_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One reply as the store holds it; at most one per turn. `content` None: not known yet, or incognito.

    `message_ids` are the platform's ids of what was sent so far, in order. `nonce` is the same at every try. Until
    `next_attempt_at` somebody is delivering it, or it is put off; `unsent_outbox` leaves it alone.
    """

    id: OutboxId
    turn_id: TurnId
    session_id: SessionId
    conversation_id: ConversationId
    address: ReplyAddress
    audience: Audience
    mode: PrivacyMode
    kind: ReplyKind
    state: OutboxState
    content: Sealed | None
    created_at: datetime
    updated_at: datetime
    message_ids: tuple[str, ...] = ()
    attempts: int = 0
    next_attempt_at: datetime | None = None

    @property
    def nonce(self) -> str:
        return str(self.id)

    @classmethod
    def of(cls, row: InboxRow, kind: ReplyKind, now: datetime) -> OutboxRow:
        """The reply to a turn, with no content yet."""
        return cls(
            id=OutboxId(new_id()),
            turn_id=row.id,
            session_id=row.stamp.session_id,
            conversation_id=row.stamp.conversation_id,
            address=row.address,
            audience=row.stamp.audience,
            mode=row.stamp.mode,
            kind=kind,
            state=OutboxState.READY,
            content=None,
            created_at=now,
            updated_at=now,
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply as it streams."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The end of a reply: its final form and what it cost. `memories_used` are those the prompt held."""

    turn_id: TurnId
    session_id: SessionId
    reply: Reply
    memories_used: tuple[MemoryId, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    recall_missed: bool = False


ReplyEvent = TextDelta | ReplyDone


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A past message in the clear, as the prompt uses it."""

    role: str
    text: str
    speaker: str = ""
    at: datetime | None = None


__all__ = [
    "Acceptance",
    "Attachment",
    "Button",
    "HistoryMessage",
    "InboundEvent",
    "InboundMessage",
    "InboxRow",
    "Media",
    "MessageDeleted",
    "MessageEdited",
    "OutboundFile",
    "OutboxRow",
    "PlatformName",
    "Reply",
    "ReplyAddress",
    "ReplyDone",
    "ReplyEvent",
    "ReplyKind",
    "RoomRole",
    "Sender",
    "Stamp",
    "TextDelta",
    "Turn",
    "TurnContent",
    "event_key",
]
