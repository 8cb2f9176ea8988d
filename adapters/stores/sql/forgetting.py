from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, delete, false, func, or_, select, update

from adapters.stores import rules
from adapters.stores.sql.engine import Group, writes
from adapters.stores.sql.memories import move_on, removed_from
from adapters.stores.sql.rows import sealed_values
from adapters.stores.sql.schema import chat_messages, chat_sessions, inbox, mem0_memories, memory_profiles
from adapters.stores.sql.sessions import drop_messages
from core.sealing import Sealed
from core.types import MemoryId, MemoryNamespace, Role, TurnId, UserId


class SqlForgetting(Group):
    @writes
    def forget_turns(
        self,
        connection: Connection,
        user_id: UserId,
        turns: Sequence[TurnId],
        memories: Sequence[MemoryId | TurnId] = (),
    ) -> Mapping[str, int]:
        theirs = or_(inbox.c.author_id == user_id, inbox.c.owner_id == user_id)
        of_turn = or_(inbox.c.id.in_(turns), inbox.c.merged_into.in_(turns))
        ended = inbox.c.state.not_in(sorted(rules.OPEN_STATES))
        gone = drop_messages(connection, or_(_said_in(connection, user_id, turns), _quoting(connection, memories)))
        rows_gone = connection.execute(delete(inbox).where(theirs, of_turn, ended)).rowcount
        return {"messages": gone, "turns": rows_gone}

    @writes
    def change_message(
        self,
        connection: Connection,
        user_id: UserId,
        turn_id: TurnId,
        content: Sealed,
        *,
        rows: Mapping[TurnId, Sealed] | None = None,
    ) -> bool:
        table = chat_messages
        which = and_(table.c.turn_id == turn_id, table.c.author_id == user_id, table.c.role == Role.USER)
        removed_from(connection, which)
        sessions = select(table.c.session_id).where(which)
        emptied = {"summary_until_seq": 0, **sealed_values("summary", None)}
        connection.execute(update(chat_sessions).where(chat_sessions.c.id.in_(sessions)).values(emptied))
        for row_id, changed_row in (rows or {}).items():
            row = (inbox.c.id == row_id, inbox.c.author_id == user_id)
            connection.execute(update(inbox).where(*row).values(sealed_values("content", changed_row)))
        changed = {"learned": False, **sealed_values("content", content)}
        return bool(connection.execute(update(table).where(which).values(changed)).rowcount)

    @writes
    def expire(
        self, connection: Connection, now: datetime, messages: timedelta | None, memories: timedelta | None
    ) -> Mapping[str, int]:
        gone = {"messages": 0, "memories": 0}
        limited = select(memory_profiles.c.id, memory_profiles.c.user_id, memory_profiles.c.retention_days).where(
            memory_profiles.c.retention_days.is_not(None)
        )
        own = {row.id: row for row in connection.execute(limited)}
        for row in own.values():
            before = now - timedelta(days=row.retention_days)
            sessions = select(chat_sessions.c.id).where(chat_sessions.c.memory_profile_id == row.id)
            gone["messages"] += _expire_messages(connection, before, chat_messages.c.session_id.in_(sessions))
            gone["memories"] += _expire_memories(connection, before, mem0_memories.c.profile_id == row.id)
        if messages is not None:
            kept = select(chat_sessions.c.id).where(chat_sessions.c.memory_profile_id.in_(own))
            gone["messages"] += _expire_messages(connection, now - messages, chat_messages.c.session_id.not_in(kept))
        if memories is not None:
            gone["memories"] += _expire_memories(connection, now - memories, mem0_memories.c.profile_id.not_in(own))
        return gone


def _said_in(connection: Connection, user_id: UserId, turns: Sequence[TurnId]) -> ColumnElement[bool]:
    """The messages of those turns that the user wrote or owns."""
    table = chat_messages
    owned = select(chat_sessions.c.id).where(chat_sessions.c.user_id == user_id)
    theirs = or_(table.c.author_id == user_id, table.c.session_id.in_(owned))
    found = connection.execute(select(table.c.turn_id).where(table.c.turn_id.in_(turns), theirs).distinct())
    return table.c.turn_id.in_(list(found.scalars()))


def _quoting(connection: Connection, memories: Sequence[MemoryId | TurnId]) -> ColumnElement[bool]:
    """Replies that used one of them, or what came from one of them, and those after it in the same talk."""
    table = chat_messages
    if not memories:
        return false()
    # That there is an id of a list at all is a substring, which one is for us to say.
    using = (table.c.role == Role.ASSISTANT, cast(table.c.metadata, Text).contains('": ["'))
    found = connection.execute(select(table.c.session_id, table.c.seq, table.c.metadata).where(*using))
    first = rules.quoting_from(((row.session_id, row.seq, row.metadata) for row in found), set(memories))
    after = (and_(table.c.session_id == session_id, table.c.seq >= seq) for session_id, seq in first.items())
    return and_(table.c.role == Role.ASSISTANT, or_(false(), *after))


def _expire_messages(connection: Connection, before: datetime, which: ColumnElement[bool]) -> int:
    old = and_(chat_messages.c.created_at < before, which)
    turns = select(chat_messages.c.turn_id).where(old)
    ended = inbox.c.state.not_in(sorted(rules.OPEN_STATES))
    connection.execute(delete(inbox).where(or_(inbox.c.id.in_(turns), inbox.c.merged_into.in_(turns)), ended))
    return drop_messages(connection, old)


def _expire_memories(connection: Connection, before: datetime, which: ColumnElement[bool]) -> int:
    table = mem0_memories
    old = and_(table.c.created_at < before, which)
    touched = (
        select(table.c.user_id, table.c.profile_id, func.count())
        .where(old)
        .group_by(table.c.user_id, table.c.profile_id)
    )
    for user_id, profile_id, _ in connection.execute(touched).all():
        move_on(connection, MemoryNamespace(user_id, profile_id), removed=True)
    return connection.execute(delete(table).where(old)).rowcount
