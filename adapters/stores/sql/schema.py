"""Every table, once, for every SQL engine.

Content columns are TEXT beside `<column>_key_id`, the id of the key that seals them. Times are UTC with microseconds.
`ordinal` is the order of arrival, which tells rows of the same instant apart. Deletes go down along the foreign keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.dialects import postgresql

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite keeps it as text that sorts as the times do."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def escaped(text: str) -> str:
    """Without NUL, which Postgres refuses in a text."""
    return text.replace("\x1a", "\x1aS").replace("\x00", "\x1a0")


def unescaped(text: str) -> str:
    return text.replace("\x1a0", "\x00").replace("\x1aS", "\x1a")


def escaped_json(value: Any) -> Any:
    """The same in every text of a JSON value."""
    return _each_text(value, escaped)


def unescaped_json(value: Any) -> Any:
    return _each_text(value, unescaped)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): _each_text(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    return value


def json_text(value: object) -> str:
    """As Postgres's functions can read it."""
    text = json.dumps(value)
    return json.dumps(escaped_json(value)) if "\\u0000" in text or "\\u001a" in text else text


def json_value(text: str | bytes) -> Any:
    value = json.loads(text)
    has_escape = "\\u001a" in text if isinstance(text, str) else b"\\u001a" in text
    return unescaped_json(value) if has_escape else value


class _PostgresWords(TypeDecorator[str]):
    """Postgres refuses NUL and sorts as its locale does: here NUL is escaped and bytes are compared."""

    impl = postgresql.TEXT(collation="C")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else unescaped(value)


# A variant, because a decorator would cost SQLite a Python call for each value.
Words = Text().with_variant(_PostgresWords(), "postgresql")
"""Any text, NUL included."""


def _ordinal() -> Column[int]:
    return Column("ordinal", Integer, primary_key=True, autoincrement=True)


def _id() -> Column[str]:
    return Column("id", Words, nullable=False, unique=True)


def _text(name: str) -> Column[str]:
    return Column(name, Words, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _at(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, Moment, nullable=nullable)


def _json(name: str) -> Column[object]:
    return Column(name, JSON(none_as_null=True), nullable=False)


def _sealed(name: str, *, nullable: bool = True) -> tuple[Column[str], Column[str]]:
    return Column(name, Words, nullable=nullable), Column(f"{name}_key_id", Words)


def _user(name: str = "user_id", *, primary_key: bool = False, index: bool = False) -> Column[str]:
    key = ForeignKey("users.id", ondelete="CASCADE")
    return Column(name, Words, key, nullable=False, primary_key=primary_key, index=index)


def _conversation(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    key = ForeignKey("conversations.id", ondelete="CASCADE")
    return Column("conversation_id", Words, key, nullable=nullable, primary_key=primary_key)


users = Table(
    "users",
    metadata,
    Column("id", Words, primary_key=True),
    _text("kind"),
    Column("email", Words),
    Column("email_key", Words, unique=True),
    _text("display_name"),
    Column("language", Words),
    _text("timezone"),
    _json("metadata"),
    _at("created_at"),
    _at("updated_at"),
)

channel_identities = Table(
    "channel_identities",
    metadata,
    _ordinal(),
    _id(),
    _user(index=True),
    _text("platform"),
    _text("workspace_id"),
    _text("external_id"),
    _text("display_name"),
    _at("created_at"),
    UniqueConstraint("platform", "workspace_id", "external_id"),
)

memory_profiles = Table(
    "memory_profiles",
    metadata,
    _ordinal(),
    _id(),
    _user(),
    _text("name"),
    _text("name_key"),
    _text("description"),
    _text("instructions"),
    Column("retention_days", Integer),
    Column("is_default", Boolean, nullable=False),
    _at("created_at"),
    _at("updated_at"),
    UniqueConstraint("user_id", "name_key"),
)
Index(
    "one_default_profile",
    memory_profiles.c.user_id,
    unique=True,
    sqlite_where=memory_profiles.c.is_default == true(),
    postgresql_where=memory_profiles.c.is_default == true(),
)

conversations = Table(
    "conversations",
    metadata,
    _ordinal(),
    _id(),
    _text("platform"),
    _text("workspace_id"),
    _text("chat_id"),
    _text("thread_id"),
    _text("kind"),
    Column("parent_id", Words, ForeignKey("conversations.id", ondelete="SET NULL"), index=True),
    Column("space_id", Words, ForeignKey("users.id")),
    _text("mode_floor"),
    _text("cursor"),
    _count("last_seq"),
    _at("created_at"),
    UniqueConstraint("platform", "workspace_id", "chat_id", "thread_id"),
)

members = Table(
    "members",
    metadata,
    _conversation(primary_key=True),
    _user(primary_key=True, index=True),
    _text("mode"),
    Column("profile_id", Words, ForeignKey("memory_profiles.id", ondelete="SET NULL"), index=True),
    _count("version"),
    Column("welcomed", Boolean, nullable=False),
)

profile_shares = Table(
    "profile_shares",
    metadata,
    _ordinal(),
    _conversation(),
    _user(index=True),
    Column("profile_id", Words, ForeignKey("memory_profiles.id", ondelete="CASCADE"), nullable=False, index=True),
    _at("created_at"),
    UniqueConstraint("conversation_id", "profile_id"),
)

chat_sessions = Table(
    "chat_sessions",
    metadata,
    _ordinal(),
    _id(),
    _user(),
    _conversation(nullable=True),
    Column("memory_profile_id", Words, ForeignKey("memory_profiles.id", ondelete="SET NULL"), index=True),
    _text("privacy_mode"),
    _at("created_at"),
    _at("updated_at"),
    _at("closed_at", nullable=True),
    _count("message_count"),
    _count("last_seq"),
    *_sealed("summary"),
    _count("summary_until_seq"),
    Index(None, "user_id", "updated_at"),
    Index(None, "conversation_id", "user_id"),
)

chat_messages = Table(
    "chat_messages",
    metadata,
    Column("id", Words, primary_key=True),
    Column("session_id", Words, ForeignKey("chat_sessions.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    _text("role"),
    *_sealed("content", nullable=False),
    _at("created_at"),
    Column("turn_id", Words, index=True),
    Column("author_id", Words, index=True),
    _text("author_name"),
    _text("mode"),
    Column("namespace", Words),
    Column("learned", Boolean, nullable=False),
    _json("metadata"),
    UniqueConstraint("session_id", "seq"),
)
Index("ix_chat_messages_namespace_learned", chat_messages.c.namespace, chat_messages.c.learned)

mem0_memories = Table(
    "mem0_memories",
    metadata,
    _ordinal(),
    _id(),
    _user(index=True),
    Column("profile_id", Words, ForeignKey("memory_profiles.id", ondelete="CASCADE"), nullable=False),
    *_sealed("text", nullable=False),
    *_sealed("vector"),
    Column("embedder", Words, nullable=False, index=True),
    _text("state"),
    _at("said_at"),
    _at("created_at"),
    _at("updated_at"),
    Column("author_id", Words, index=True),
    _text("author_name"),
    _text("language"),
    _text("platform"),
    _json("source_turns"),
    Column("superseded_by", Words),
    _count("generation"),
    _json("metadata"),
    Index(None, "profile_id", "state"),
    Index(None, "profile_id", "said_at"),
    Index(None, "profile_id", "generation"),
)

namespaces = Table(
    "namespaces",
    metadata,
    # No foreign keys: what two merged people had keeps its generations, so that late work finds it erased.
    Column("user_id", Words, primary_key=True),
    Column("profile_id", Words, primary_key=True),
    _count("generation"),
    _count("erase_generation"),
    _count("removed_generation"),
)

event_keys = Table(
    "event_keys",
    metadata,
    Column("event_key", Words, primary_key=True),
    _at("at"),
)

inbox = Table(
    "inbox",
    metadata,
    _ordinal(),
    _id(),
    Column("event_key", Words, nullable=False, index=True),
    _conversation(),
    Column("session_id", Words, ForeignKey("chat_sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("author_id", Words, nullable=False, index=True),
    Column("owner_id", Words, nullable=False, index=True),
    _json("stamp"),
    _json("address"),
    *_sealed("content"),
    _text("lane"),
    Column("mergeable", Boolean, nullable=False),
    Column("is_command", Boolean, nullable=False),
    _text("state"),
    _at("sent_at"),
    _at("accepted_at"),
    Column("seq", Integer, nullable=False),
    Column("merged_into", Words, index=True),
    _text("lease_owner"),
    _at("lease_until", nullable=True),
    _count("attempts"),
    _text("note"),
    Index(None, "conversation_id", "lane", "state", "seq"),
    Index(None, "state"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Words, primary_key=True),
    Column("turn_id", Words, ForeignKey("inbox.id", ondelete="CASCADE"), nullable=False, unique=True),
    _text("session_id"),
    _conversation(),
    _json("address"),
    _text("audience"),
    _text("mode"),
    _text("kind"),
    Column("state", Words, nullable=False, index=True),
    *_sealed("content"),
    _at("created_at"),
    _at("updated_at"),
    _json("message_ids"),
    _count("attempts"),
    _at("next_attempt_at", nullable=True),
)

usage = Table(
    "usage",
    metadata,
    _user(primary_key=True),
    Column("day", Date, primary_key=True),
    _count("messages"),
    _count("prompt_tokens"),
    _count("completion_tokens"),
)

pending = Table(
    "pending",
    metadata,
    _user(primary_key=True),
    Column("conversation_id", Words, primary_key=True),
    Column("token", Words, primary_key=True),
    _json("payload"),
    _at("expires_at"),
)

notices = Table("notices", metadata, Column("key", Words, primary_key=True), _at("at"))

job_runs = Table("job_runs", metadata, Column("job", Words, primary_key=True), Column("tick", Moment, primary_key=True))

runner_leases = Table(
    "runner_leases",
    metadata,
    Column("name", Words, primary_key=True),
    _text("owner"),
    _at("expires_at"),
)
"""Only for stores that are reached over HTTP and cannot hold a lock otherwise."""

erasures = Table(
    "erasures",
    metadata,
    Column("id", Words, primary_key=True),
    Column("user_id", Words, nullable=False, index=True),
    _text("scope"),
    _json("removed"),
    Column("verified", Boolean, nullable=False),
    _at("created_at"),
)

link_codes = Table(
    "link_codes",
    metadata,
    _user(primary_key=True),
    _text("conversation_id"),
    Column("code_hash", Words, nullable=False, unique=True),
    _at("expires_at"),
)

link_failures = Table(
    "link_failures",
    metadata,
    Column("identity_id", Words, primary_key=True),
    _count("failures"),
    _at("last_at"),
)

credentials = Table(
    "credentials",
    metadata,
    _user(primary_key=True),
    _text("password_hash"),
    _at("created_at"),
    _at("updated_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Words, primary_key=True),
    _user(index=True),
    Column("key_hash", Words, nullable=False, unique=True),
    _text("name"),
    _json("scopes"),
    _at("created_at"),
    _at("expires_at", nullable=True),
    _at("last_used_at", nullable=True),
    Column("revoked", Boolean, nullable=False, server_default=false()),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", Words, primary_key=True),
    _user(index=True),
    _text("token_id"),
    _at("created_at"),
    _at("expires_at"),
)

revoked_tokens = Table("revoked_tokens", metadata, Column("token_id", Words, primary_key=True), _at("expires_at"))

access_grants = Table(
    "access_grants",
    metadata,
    Column("platform", Words, primary_key=True),
    Column("workspace_id", Words, primary_key=True),
    Column("external_id", Words, primary_key=True),
    _text("state"),
    _text("code"),
    _at("changed_at"),
)
