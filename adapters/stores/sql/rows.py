"""Domain objects to rows and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from adapters.stores.rules import email_key
from core.messages import InboxRow, OutboxRow, ReplyAddress, ReplyKind, Stamp
from core.ports.access import AccessGrant, AccessState
from core.ports.accounts import ApiKey, SignIn
from core.profiles import name_key
from core.sealing import Sealed
from core.types import (
    Audience,
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
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    MemoryState,
    OutboxState,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    ProfileShare,
    Role,
    TurnId,
    TurnState,
    User,
    UserKind,
)

Values = dict[str, Any]
AnyRow = Row[Any]


def sealed(row: AnyRow, column: str) -> Sealed | None:
    text = getattr(row, column)
    return None if text is None else Sealed(text, getattr(row, f"{column}_key_id"))


def some_sealed(row: AnyRow, column: str) -> Sealed:
    return Sealed(getattr(row, column), getattr(row, f"{column}_key_id"))


def sealed_values(column: str, content: Sealed | None) -> Values:
    return {column: content.text if content else None, f"{column}_key_id": content.key_id if content else None}


def _common(entity: object, *names: str) -> Values:
    return {name: getattr(entity, name) for name in names}


_USER = ("id", "kind", "email", "display_name", "language", "timezone", "created_at", "updated_at")


def user_values(user: User) -> Values:
    key = email_key(user.email) if user.email else None
    return {**_common(user, *_USER), "email_key": key, "metadata": dict(user.metadata)}


def user_of(row: AnyRow) -> User:
    return User(**{**_common(row, *_USER), "kind": UserKind(row.kind)}, metadata=row.metadata)


_IDENTITY = ("id", "user_id", "platform", "workspace_id", "external_id", "display_name", "created_at")


def identity_values(identity: ChannelIdentity) -> Values:
    return _common(identity, *_IDENTITY)


def identity_of(row: AnyRow) -> ChannelIdentity:
    return ChannelIdentity(**_common(row, *_IDENTITY))


_PROFILE = (
    "id",
    "user_id",
    "name",
    "is_default",
    "created_at",
    "updated_at",
    "description",
    "instructions",
    "retention_days",
)


def profile_values(profile: MemoryProfile) -> Values:
    return {**_common(profile, *_PROFILE), "name_key": name_key(profile.name)}


def profile_of(row: AnyRow) -> MemoryProfile:
    return MemoryProfile(**_common(row, *_PROFILE), memory_count=row.memory_count)


def place_values(place: Place) -> Values:
    return _common(place, "platform", "workspace_id", "chat_id", "thread_id")


def place_of(row: AnyRow) -> Place:
    return Place(PlatformName(row.platform), row.workspace_id, row.chat_id, row.thread_id)


_CONVERSATION = ("id", "created_at", "parent_id", "space_id", "cursor")


def conversation_values(conversation: Conversation) -> Values:
    return {
        **_common(conversation, *_CONVERSATION, "kind", "mode_floor"),
        **place_values(conversation.place),
    }


def conversation_of(row: AnyRow) -> Conversation:
    return Conversation(
        **_common(row, *_CONVERSATION),
        place=place_of(row),
        kind=ConversationKind(row.kind),
        mode_floor=PrivacyMode(row.mode_floor),
    )


_MEMBER = ("conversation_id", "user_id", "profile_id", "version", "welcomed")


def member_values(member: Member) -> Values:
    return _common(member, *_MEMBER, "mode")


def member_of(row: AnyRow) -> Member:
    return Member(**_common(row, *_MEMBER), mode=PrivacyMode(row.mode))


def share_of(row: AnyRow) -> ProfileShare:
    return ProfileShare(row.conversation_id, MemoryNamespace(row.user_id, row.profile_id), row.created_at)


_SESSION = (
    "id",
    "user_id",
    "conversation_id",
    "memory_profile_id",
    "created_at",
    "updated_at",
    "closed_at",
    "message_count",
    "summary_until_seq",
)


def session_values(session: ChatSession) -> Values:
    return {**_common(session, *_SESSION, "privacy_mode"), **sealed_values("summary", session.summary)}


def session_of(row: AnyRow) -> ChatSession:
    return ChatSession(
        **_common(row, *_SESSION), privacy_mode=PrivacyMode(row.privacy_mode), summary=sealed(row, "summary")
    )


_ROLES = {role.value: role for role in Role}
_MODES = {mode.value: mode for mode in PrivacyMode}

_MESSAGE = ("id", "session_id", "created_at", "seq", "turn_id", "author_id", "author_name", "learned")


def message_values(message: ChatMessage) -> Values:
    return {
        **_common(message, *_MESSAGE, "role", "mode"),
        **sealed_values("content", message.content),
        "namespace": _namespace_text(message.namespace),
        "metadata": dict(message.metadata),
    }


def message_of(row: AnyRow) -> ChatMessage:
    """Of a whole row in the table's order: sixty come with every reply, and looking up by name costs."""
    message_id, session_id, seq, role, text, key_id, created_at, *of_turn = tuple(row)
    turn_id, author_id, author_name, mode, namespace, learned, metadata = of_turn
    return ChatMessage(
        message_id,
        session_id,
        _ROLES[role],
        Sealed(text, key_id),
        created_at,
        seq,
        turn_id,
        author_id,
        author_name,
        _MODES[mode],
        _namespace(namespace),
        learned,
        metadata,
    )


_MEMORY = (
    "id",
    "embedder",
    "said_at",
    "created_at",
    "updated_at",
    "author_id",
    "author_name",
    "language",
    "platform",
    "superseded_by",
    "generation",
)


def memory_values(record: MemoryRecord) -> Values:
    return {
        **_common(record, *_MEMORY, "state"),
        **sealed_values("text", record.text),
        **sealed_values("vector", record.vector),
        "user_id": record.namespace.user_id,
        "profile_id": record.namespace.profile_id,
        "source_turns": list(record.source_turns),
        "metadata": dict(record.metadata),
    }


def memory_of(row: AnyRow) -> MemoryRecord:
    return MemoryRecord(
        **_common(row, *_MEMORY),
        namespace=MemoryNamespace(row.user_id, row.profile_id),
        text=some_sealed(row, "text"),
        vector=sealed(row, "vector"),
        state=MemoryState(row.state),
        source_turns=tuple(TurnId(turn) for turn in row.source_turns),
        metadata=row.metadata,
    )


_TURN = (
    "id",
    "event_key",
    "mergeable",
    "is_command",
    "sent_at",
    "accepted_at",
    "seq",
    "merged_into",
    "lease_owner",
    "lease_until",
    "attempts",
    "note",
)


def turn_values(turn: InboxRow) -> Values:
    return {
        **_common(turn, *_TURN, "lane", "state"),
        **stamp_values(turn.stamp),
        **sealed_values("content", turn.content),
        "address": _address_json(turn.address),
    }


def turn_of(row: AnyRow) -> InboxRow:
    return InboxRow(
        **_common(row, *_TURN),
        stamp=_stamp(row),
        address=_address(row.address),
        content=sealed(row, "content"),
        lane=Lane(row.lane),
        state=TurnState(row.state),
    )


_STAMP = ("conversation_id", "session_id", "author_id", "owner_id")


def stamp_values(stamp: Stamp) -> Values:
    """What is queried stands in columns, the rest in one JSON column."""
    return {
        **_common(stamp, *_STAMP),
        "stamp": {
            "identity_id": stamp.identity_id,
            "profile_id": stamp.profile_id,
            "mode": stamp.mode.value,
            "audience": stamp.audience.value,
            "recall": [str(namespace) for namespace in stamp.recall],
            "learn": _namespace_text(stamp.learn),
        },
    }


def _stamp(row: AnyRow) -> Stamp:
    rest = row.stamp
    return Stamp(
        **_common(row, *_STAMP),
        identity_id=IdentityId(rest["identity_id"]),
        profile_id=ProfileId(rest["profile_id"]),
        mode=PrivacyMode(rest["mode"]),
        audience=Audience(rest["audience"]),
        recall=tuple(MemoryNamespace.parse(text) for text in rest["recall"]),
        learn=_namespace(rest["learn"]),
    )


_REPLY = ("id", "turn_id", "session_id", "created_at", "updated_at", "attempts", "next_attempt_at")


REPLY_CHANGES = (
    "kind",
    "state",
    "content",
    "content_key_id",
    "message_ids",
    "attempts",
    "next_attempt_at",
    "updated_at",
)
"""What changes in the life of a reply."""


def reply_values(reply: OutboxRow) -> Values:
    return {
        **_common(reply, *_REPLY, "conversation_id", "audience", "mode", "kind", "state"),
        **sealed_values("content", reply.content),
        "address": _address_json(reply.address),
        "message_ids": list(reply.message_ids),
    }


def reply_of(row: AnyRow) -> OutboxRow:
    return OutboxRow(
        **_common(row, *_REPLY),
        conversation_id=ConversationId(row.conversation_id),
        address=_address(row.address),
        audience=Audience(row.audience),
        mode=PrivacyMode(row.mode),
        kind=ReplyKind(row.kind),
        state=OutboxState(row.state),
        content=sealed(row, "content"),
        message_ids=tuple(row.message_ids),
    )


def sign_in_values(sign_in: SignIn) -> Values:
    return _common(sign_in, "id", "user_id", "token_id", "created_at", "expires_at")


def sign_in_of(row: AnyRow) -> SignIn:
    return SignIn(row.id, row.user_id, row.token_id, row.created_at, row.expires_at)


_API_KEY = ("id", "user_id", "name", "created_at", "expires_at", "last_used_at", "revoked")


def api_key_values(key: ApiKey) -> Values:
    return _common(key, *_API_KEY) | {"scopes": list(key.scopes)}


def api_key_of(row: AnyRow) -> ApiKey:
    return ApiKey(**_common(row, *_API_KEY), scopes=tuple(row.scopes))


_GRANT = ("workspace_id", "external_id", "code", "changed_at")


def grant_values(grant: AccessGrant) -> Values:
    return _common(grant, *_GRANT, "platform", "state")


def grant_of(row: AnyRow) -> AccessGrant:
    return AccessGrant(**_common(row, *_GRANT), platform=PlatformName(row.platform), state=AccessState(row.state))


def receipt_values(receipt: ErasureReceipt) -> Values:
    return {
        **_common(receipt, "id", "user_id", "scope", "verified", "created_at"),
        "removed": dict(receipt.removed),
    }


def receipt_of(row: AnyRow) -> ErasureReceipt:
    return ErasureReceipt(row.id, row.user_id, row.scope, row.removed, row.verified, row.created_at)


_ADDRESS = ("recipient", "thread_id", "reply_to", "handle")


def _address_json(address: ReplyAddress) -> Values:
    return {**_common(address, *_ADDRESS), "kind": address.kind.value, "place": place_values(address.place)}


def _address(value: Values) -> ReplyAddress:
    return ReplyAddress(
        place=Place(**value["place"]),
        kind=ConversationKind(value["kind"]),
        **{name: value[name] for name in _ADDRESS},
    )


def _namespace_text(namespace: MemoryNamespace | None) -> str | None:
    return str(namespace) if namespace else None


@lru_cache(maxsize=2_048)
def _namespace(text: str | None) -> MemoryNamespace | None:
    """Remembered, because the sixty messages that come with every reply name the same one."""
    return MemoryNamespace.parse(text) if text else None
