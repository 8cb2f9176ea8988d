from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.profiles import find_profile
from adapters.stores.sql.schema import chat_sessions, conversations, members
from adapters.stores.sql.users import add_user, find_user
from core.errors import Conflict, NotFound, StaleMember
from core.types import (
    Conversation,
    ConversationId,
    ConversationKind,
    Member,
    Place,
    PlatformName,
    UserId,
    UserKind,
    new_id,
)

_ADD = insert(conversations)
_ADD_MEMBER = insert(members).on_conflict_do_nothing()
_BY_ID = select(conversations).where(conversations.c.id == bindparam("conversation_id"))
_AT = select(conversations).where(
    *(conversations.c[name] == bindparam(name) for name in ("platform", "workspace_id", "chat_id", "thread_id"))
)
_MEMBER = select(members).where(
    members.c.conversation_id == bindparam("conversation_id"), members.c.user_id == bindparam("user_id")
)

_BEEN = (
    select(func.coalesce(conversations.c.parent_id, conversations.c.id))
    .join(members, members.c.conversation_id == conversations.c.id)
    .where(members.c.user_id == bindparam("user_id"), conversations.c.kind == ConversationKind.SHARED)
)
_ROOMS = select(conversations).where(conversations.c.id.in_(_BEEN)).order_by(conversations.c.ordinal)


class SqlConversations(Group):
    async def resolve_conversation(self, place: Place, kind: ConversationKind) -> Conversation:
        return await self.find_conversation(place) or await self._write_conversation(place, kind)

    @writes
    def _write_conversation(self, connection: Connection, place: Place, kind: ConversationKind) -> Conversation:
        return self._resolve(connection, place, kind)

    def _resolve(self, connection: Connection, place: Place, kind: ConversationKind) -> Conversation:
        known = conversation_at(connection, place)
        if known:
            return known
        parent = self._resolve(connection, place.parent, kind) if place.parent else None
        now = self._clock.now()
        space_id = parent.space_id if parent else None
        if kind is ConversationKind.SHARED and space_id is None:
            space_id = add_user(connection, rules.new_user(now, UserKind.SPACE, None, None, "")).id
        conversation = Conversation(
            ConversationId(new_id()), place, kind, now, parent_id=parent.id if parent else None, space_id=space_id
        )
        connection.execute(_ADD, rows.conversation_values(conversation))
        return conversation

    @reads
    def find_conversation(self, connection: Connection, place: Place) -> Conversation | None:
        return conversation_at(connection, place)

    @reads
    def get_conversation(self, connection: Connection, conversation_id: ConversationId) -> Conversation:
        return find_conversation(connection, conversation_id)

    @reads
    def list_conversations(self, connection: Connection, platform: PlatformName) -> list[Conversation]:
        wanted = select(conversations).where(conversations.c.platform == platform)
        return [rows.conversation_of(row) for row in connection.execute(wanted.order_by(conversations.c.ordinal))]

    @reads
    def get_user_rooms(self, connection: Connection, user_id: UserId) -> list[Conversation]:
        return [rows.conversation_of(row) for row in connection.execute(_ROOMS, {"user_id": user_id})]

    @reads
    def get_member(self, connection: Connection, conversation_id: ConversationId, user_id: UserId) -> Member:
        return member_of(connection, find_conversation(connection, conversation_id), user_id)

    @writes
    def save_member(self, connection: Connection, member: Member) -> Member:
        return write_member(connection, member)

    @writes
    def move_conversation(self, connection: Connection, place: Place, new_place: Place) -> None:
        if conversation_at(connection, place) is None or place == new_place:
            return
        threads = and_place(replace(place, thread_id=""))[:3] if not place.thread_id else and_place(place)
        moving = [rows.conversation_of(row) for row in connection.execute(select(conversations).where(*threads))]
        for row in moving:
            target = new_place if row.place == place else replace(new_place, thread_id=row.place.thread_id)
            taken = conversation_at(connection, target)
            if taken:
                _drop_unused(connection, taken.id)
            where = conversations.c.id == row.id
            connection.execute(update(conversations).where(where).values(rows.place_values(target)))


def find_conversation(connection: Connection, conversation_id: ConversationId) -> Conversation:
    row = connection.execute(_BY_ID, {"conversation_id": conversation_id}).first()
    if row is None:
        raise NotFound
    return rows.conversation_of(row)


def member_of(connection: Connection, conversation: Conversation, user_id: UserId) -> Member:
    """The stored one, or a fresh one that inherits from the place that a thread hangs under."""
    member = _member(connection, conversation.id, user_id)
    if member:
        return member
    fresh = Member(conversation.id, user_id)
    parent = _member(connection, conversation.parent_id, user_id) if conversation.parent_id else None
    if parent is None:
        return fresh
    return replace(fresh, mode=parent.mode, profile_id=parent.profile_id, welcomed=parent.welcomed)


def write_member(connection: Connection, member: Member) -> Member:
    """Raises StaleMember when the stored version is another one, NotFound for a profile that is not theirs."""
    find_conversation(connection, member.conversation_id)
    find_user(connection, member.user_id)
    if member.profile_id:
        find_profile(connection, member.user_id, member.profile_id)
    saved = replace(member, version=member.version + 1)
    if member.version:
        key = (members.c.conversation_id == member.conversation_id, members.c.user_id == member.user_id)
        statement = update(members).where(*key, members.c.version == member.version).values(rows.member_values(saved))
        written = connection.execute(statement).rowcount
    else:
        written = connection.execute(_ADD_MEMBER, rows.member_values(saved)).rowcount
    if not written:
        raise StaleMember
    return saved


def and_place(place: Place) -> tuple[ColumnElement[bool], ...]:
    """The four parts of the natural key, in their order."""
    return tuple(conversations.c[name] == value for name, value in rows.place_values(place).items())


def conversation_at(connection: Connection, place: Place) -> Conversation | None:
    row = connection.execute(_AT, rows.place_values(place)).first()
    return rows.conversation_of(row) if row else None


def _member(connection: Connection, conversation_id: ConversationId, user_id: UserId) -> Member | None:
    row = connection.execute(_MEMBER, {"conversation_id": conversation_id, "user_id": user_id}).first()
    return rows.member_of(row) if row else None


def _drop_unused(connection: Connection, conversation_id: ConversationId) -> None:
    """Make room for a conversation that moves here. Raises Conflict when people have talked here already."""
    if connection.execute(select(1).where(chat_sessions.c.conversation_id == conversation_id)).first():
        raise Conflict
    connection.execute(delete(conversations).where(conversations.c.id == conversation_id))
