from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, or_, select, update
from sqlalchemy.sql.elements import SQLCoreOperations

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.conversations import find_conversation
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.memories import removed_from
from adapters.stores.sql.profiles import find_profile
from adapters.stores.sql.schema import chat_messages, chat_sessions, inbox
from adapters.stores.sql.users import find_user
from core.batches import SessionPatch
from core.errors import Conflict, NotFound
from core.sealing import Sealed
from core.types import (
    ChatMessage,
    ChatSession,
    ConversationId,
    MemoryNamespace,
    PrivacyMode,
    ProfileId,
    Role,
    SessionId,
    TurnId,
    UserId,
    new_id,
)

_ADD = insert(chat_sessions).on_conflict_do_nothing(index_elements=["id"])
_MINE = select(chat_sessions).where(
    chat_sessions.c.id == bindparam("session_id"), chat_sessions.c.user_id == bindparam("user_id")
)
_ACTIVE = (
    select(chat_sessions)
    .where(
        chat_sessions.c.conversation_id == bindparam("conversation_id"),
        chat_sessions.c.user_id == bindparam("user_id"),
        chat_sessions.c.closed_at.is_(None),
    )
    .order_by(chat_sessions.c.created_at.desc(), chat_sessions.c.ordinal.desc())
    .limit(1)
)
_NEWEST = (
    select(chat_messages)
    .where(chat_messages.c.session_id == bindparam("session_id"))
    .order_by(chat_messages.c.seq.desc())
    .limit(bindparam("count"))
)
_LONGER = (
    update(chat_sessions)
    .where(chat_sessions.c.id == bindparam("session"))
    .values(
        last_seq=chat_sessions.c.last_seq + bindparam("stored"),
        message_count=chat_sessions.c.message_count + bindparam("counted"),
        updated_at=bindparam("at"),
    )
    .returning(chat_sessions.c.last_seq)
)
_APPEND = chat_messages.insert()


class SqlSessions(Group):
    @writes
    def create_chat_session(
        self,
        connection: Connection,
        user_id: UserId,
        profile_id: ProfileId | None,
        privacy_mode: PrivacyMode,
        *,
        conversation_id: ConversationId | None = None,
        session_id: SessionId | None = None,
    ) -> ChatSession:
        now = self._clock.now()
        session = ChatSession(
            session_id or SessionId(new_id()), user_id, conversation_id, profile_id, privacy_mode, now, now
        )
        return add_session(connection, session)

    @reads
    def get_chat_session(self, connection: Connection, user_id: UserId, session_id: SessionId) -> ChatSession:
        return find_session(connection, user_id, session_id)

    @reads
    def get_active_session(
        self, connection: Connection, conversation_id: ConversationId, user_id: UserId
    ) -> ChatSession | None:
        return active_session(connection, conversation_id, user_id)

    @writes
    def update_chat_session(
        self, connection: Connection, user_id: UserId, session_id: SessionId, patch: SessionPatch
    ) -> ChatSession:
        session = find_session(connection, user_id, session_id)
        if patch.memory_profile_id:
            find_profile(connection, user_id, patch.memory_profile_id)
        changes = rules.given(patch)
        if not changes.keys() <= rules.SUMMARY_FIELDS:
            changes["updated_at"] = self._clock.now()
        session = replace(session, **changes)
        where = chat_sessions.c.id == session_id
        connection.execute(update(chat_sessions).where(where).values(rows.session_values(session)))
        return session

    @writes
    def keep_summary(
        self,
        connection: Connection,
        user_id: UserId,
        session_id: SessionId,
        summary: Sealed,
        covered: Sequence[ChatMessage],
        *,
        after_seq: int,
    ) -> bool:
        session = find_session(connection, user_id, session_id)
        first, last = (covered[0].seq, covered[-1].seq) if covered else (0, -1)
        table = chat_messages
        between = (table.c.session_id == session_id, table.c.seq >= first, table.c.seq <= last)
        found = connection.execute(select(table).where(*between).order_by(table.c.seq))
        held = ((message.id, message.content) for message in map(rows.message_of, found))
        if session.summary_until_seq != after_seq or not rules.stands(covered, held):
            return False
        changed = {"summary_until_seq": last, **rows.sealed_values("summary", summary)}
        connection.execute(update(chat_sessions).where(chat_sessions.c.id == session_id).values(changed))
        return True

    @writes
    def delete_chat_session(self, connection: Connection, user_id: UserId, session_id: SessionId) -> int:
        find_session(connection, user_id, session_id)
        gone = drop_messages(connection, chat_messages.c.session_id == session_id)
        connection.execute(delete(chat_sessions).where(chat_sessions.c.id == session_id))
        return gone

    @reads
    def get_user_sessions(
        self,
        connection: Connection,
        user_id: UserId,
        limit: int = 50,
        offset: int = 0,
        *,
        profile_id: ProfileId | None = None,
    ) -> list[ChatSession]:
        table = chat_sessions
        wanted = select(table).where(table.c.user_id == user_id)
        if profile_id is not None:
            wanted = wanted.where(table.c.memory_profile_id == profile_id)
        wanted = wanted.order_by(table.c.updated_at.desc(), table.c.ordinal.desc()).limit(limit).offset(offset)
        return [rows.session_of(row) for row in connection.execute(wanted)]

    @writes
    def create_chat_message(self, connection: Connection, user_id: UserId, message: ChatMessage) -> ChatMessage:
        find_session(connection, user_id, message.session_id)
        if connection.execute(select(1).where(chat_messages.c.id == message.id)).first():
            raise Conflict
        return append_messages(connection, message.session_id, [message], self._clock.now())[0]

    @reads
    def get_session_messages(
        self, connection: Connection, user_id: UserId, session_id: SessionId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        find_session(connection, user_id, session_id)
        wanted = select(chat_messages).where(chat_messages.c.session_id == session_id)
        wanted = wanted.order_by(chat_messages.c.seq).limit(limit).offset(offset)
        return [rows.message_of(row) for row in connection.execute(wanted)]

    @reads
    def get_recent_messages(
        self, connection: Connection, user_id: UserId, session_id: SessionId, limit: int
    ) -> list[ChatMessage]:
        find_session(connection, user_id, session_id)
        return newest_messages(connection, session_id, limit)

    @reads
    def get_turn_messages(self, connection: Connection, user_id: UserId, turn_id: TurnId) -> list[ChatMessage]:
        of_turn = chat_messages.c.turn_id == turn_id
        owners = select(chat_sessions.c.user_id).join(chat_messages, chat_messages.c.session_id == chat_sessions.c.id)
        readers = {
            *connection.execute(select(chat_messages.c.author_id).where(of_turn)).scalars(),
            *connection.execute(owners.where(of_turn)).scalars(),
        }
        if user_id not in readers:
            return []
        wanted = select(chat_messages).where(of_turn).order_by(chat_messages.c.session_id, chat_messages.c.seq)
        return [rows.message_of(row) for row in connection.execute(wanted)]

    @writes
    def delete_session_messages(self, connection: Connection, user_id: UserId, session_id: SessionId) -> int:
        find_session(connection, user_id, session_id)
        gone = drop_messages(connection, chat_messages.c.session_id == session_id)
        ended = (inbox.c.session_id == session_id, inbox.c.state.not_in(sorted(rules.OPEN_STATES)))
        connection.execute(delete(inbox).where(*ended))
        emptied = {"message_count": 0, "summary_until_seq": 0, **rows.sealed_values("summary", None)}
        connection.execute(update(chat_sessions).where(chat_sessions.c.id == session_id).values(emptied))
        return gone

    @reads
    def get_unlearned_messages(
        self, connection: Connection, namespace: MemoryNamespace, limit: int
    ) -> list[ChatMessage]:
        table = chat_messages
        order = (table.c.created_at, table.c.session_id, table.c.seq)
        wanted = select(table).where(*_unlearned(), table.c.namespace == str(namespace)).order_by(*order).limit(limit)
        said = [rows.message_of(row) for row in connection.execute(wanted)]
        turns = {message.turn_id for message in said}
        replies = select(table).where(table.c.role == Role.ASSISTANT, table.c.turn_id.in_(turns))
        found = [*said, *(rows.message_of(row) for row in connection.execute(replies))]
        return sorted(found, key=rules.message_order)

    @reads
    def find_namespaces_to_learn(
        self, connection: Connection, quiet_before: datetime, min_messages: int
    ) -> list[MemoryNamespace]:
        table = chat_messages
        newest = func.max(table.c.created_at)
        due = (
            select(table.c.namespace)
            .where(*_unlearned(), table.c.namespace.is_not(None))
            .group_by(table.c.namespace)
            .having(or_(newest < quiet_before, func.count() >= min_messages))
            .order_by(func.min(table.c.created_at), table.c.namespace)
        )
        return [MemoryNamespace.parse(text) for text in connection.execute(due).scalars()]

    @writes
    def mark_learned(self, connection: Connection, namespace: MemoryNamespace, turns: Sequence[TurnId]) -> None:
        taken = (chat_messages.c.namespace == str(namespace), chat_messages.c.turn_id.in_(turns))
        connection.execute(update(chat_messages).where(*taken).values(learned=True))


def active_session(connection: Connection, conversation_id: ConversationId, user_id: UserId) -> ChatSession | None:
    row = connection.execute(_ACTIVE, {"conversation_id": conversation_id, "user_id": user_id}).first()
    return rows.session_of(row) if row else None


def newest_messages(connection: Connection, session_id: SessionId, limit: int) -> list[ChatMessage]:
    """Oldest first."""
    newest = connection.execute(_NEWEST, {"session_id": session_id, "count": max(0, limit)})
    return [rows.message_of(row) for row in newest][::-1]


def find_session(connection: Connection, user_id: UserId, session_id: SessionId) -> ChatSession:
    row = connection.execute(_MINE, {"session_id": session_id, "user_id": user_id}).first()
    if row is None:
        raise NotFound
    return rows.session_of(row)


def add_session(connection: Connection, session: ChatSession) -> ChatSession:
    """Raises NotFound for a profile that is not the user's, Conflict for a known id."""
    find_user(connection, session.user_id)
    if session.memory_profile_id:
        find_profile(connection, session.user_id, session.memory_profile_id)
    if session.conversation_id:
        find_conversation(connection, session.conversation_id)
    if not connection.execute(_ADD, rows.session_values(session)).rowcount:
        raise Conflict
    return session


def append_messages(
    connection: Connection, session_id: SessionId, messages: Sequence[ChatMessage], at: datetime, uncounted: int = 0
) -> list[ChatMessage]:
    """At the end of a session; `uncounted` messages are counted and not stored. Raises NotFound."""
    longer = {"session": session_id, "stored": len(messages), "counted": len(messages) + uncounted, "at": at}
    moved = connection.execute(_LONGER, longer).first()
    if moved is None:
        raise NotFound
    first = moved.last_seq - len(messages) + 1
    stored = [replace(message, seq=first + index) for index, message in enumerate(messages)]
    if stored:
        connection.execute(_APPEND, [rows.message_values(message) for message in stored])
    return stored


def drop_messages(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Remove messages; their sessions' counts follow, and summaries go, for they may quote them."""
    removed_from(connection, *which)
    counts = select(chat_messages.c.session_id, func.count()).where(*which).group_by(chat_messages.c.session_id)
    for session_id, gone in connection.execute(counts).all():
        count = chat_sessions.c.message_count
        left = case((count > gone, count - gone), else_=0)
        emptied = {"message_count": left, "summary_until_seq": 0, **rows.sealed_values("summary", None)}
        connection.execute(update(chat_sessions).where(chat_sessions.c.id == session_id).values(emptied))
    return connection.execute(delete(chat_messages).where(*which)).rowcount


def _unlearned() -> tuple[SQLCoreOperations[bool], ...]:
    """`rules.is_unlearned` in SQL."""
    table = chat_messages
    return (
        table.c.learned.is_(False),
        table.c.role == Role.USER,
        table.c.mode == PrivacyMode.NORMAL,
        table.c.turn_id.is_not(None),
    )
