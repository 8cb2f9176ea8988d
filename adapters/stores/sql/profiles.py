from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, literal, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import (
    chat_messages,
    chat_sessions,
    conversations,
    mem0_memories,
    members,
    memory_profiles,
    namespaces,
    profile_shares,
)
from adapters.stores.sql.users import find_user
from core.batches import ProfilePatch
from core.errors import NameTaken, NotFound, OnlyProfile
from core.profiles import name_key
from core.types import (
    ConversationId,
    MemoryNamespace,
    MemoryProfile,
    MemoryState,
    ProfileId,
    ProfileShare,
    UserId,
)

_count = (
    select(func.count())
    .where(
        mem0_memories.c.profile_id == memory_profiles.c.id,
        mem0_memories.c.state != MemoryState.SUPERSEDED,
    )
    .scalar_subquery()
)


def _of_user(count: ColumnElement[int]) -> Select[tuple[object, ...]]:
    mine = memory_profiles.c.user_id == bindparam("user_id")
    return select(*memory_profiles.c, count.label("memory_count")).where(mine).order_by(memory_profiles.c.ordinal)


# Of every message a profile is read; to count its thousands of memories each time would be most of the reading.
_OF_USER = {True: _of_user(_count), False: _of_user(literal(0))}
_ONE = {
    counted: of_user.where(memory_profiles.c.id == bindparam("profile_id")) for counted, of_user in _OF_USER.items()
}
_DEFAULT = {counted: of_user.where(memory_profiles.c.is_default.is_(True)) for counted, of_user in _OF_USER.items()}
_OWNED = select(1).where(
    memory_profiles.c.id == bindparam("profile_id"), memory_profiles.c.user_id == bindparam("user_id")
)
_SHARES = (
    select(profile_shares)
    .where(profile_shares.c.conversation_id == bindparam("conversation_id"))
    .order_by(profile_shares.c.ordinal)
)


class SqlProfiles(Group):
    @reads
    def get_memory_profiles(self, connection: Connection, user_id: UserId) -> list[MemoryProfile]:
        return sorted(profiles_of(connection, user_id, counted=True), key=rules.profile_order)

    @writes
    def create_memory_profile(
        self,
        connection: Connection,
        user_id: UserId,
        name: str,
        description: str = "",
        is_default: bool = False,
    ) -> MemoryProfile:
        find_user(connection, user_id)
        profile = rules.new_profile(self._clock.now(), user_id, name, description, is_default=False)
        check_name(connection, profile)
        connection.execute(insert(memory_profiles).values(rows.profile_values(profile)))
        return make_default(connection, user_id, profile.id) if is_default else profile

    @writes
    def update_memory_profile(
        self, connection: Connection, user_id: UserId, profile_id: ProfileId, patch: ProfilePatch
    ) -> MemoryProfile:
        old = find_profile(connection, user_id, profile_id, counted=True)
        profile = rules.patched_profile(old, patch, self._clock.now())
        check_name(connection, profile)
        where = memory_profiles.c.id == profile_id
        connection.execute(update(memory_profiles).where(where).values(rows.profile_values(profile)))
        return profile

    @writes
    def delete_memory_profile(self, connection: Connection, user_id: UserId, profile_id: ProfileId) -> int:
        profile = find_profile(connection, user_id, profile_id)
        others = [row for row in profiles_of(connection, user_id) if row.id != profile_id]
        if not others:
            raise OnlyProfile
        if profile.is_default:
            make_default(connection, user_id, others[0].id)
        self._let_go_of(connection, profile)
        connection.execute(delete(namespaces).where(namespaces.c.profile_id == profile_id))
        mine = mem0_memories.c.profile_id == profile_id
        gone = connection.execute(delete(mem0_memories).where(mine)).rowcount
        connection.execute(delete(memory_profiles).where(memory_profiles.c.id == profile_id))
        return gone

    def _let_go_of(self, connection: Connection, profile: MemoryProfile) -> None:
        """Sessions close without their profile, members fall back to their default, nothing is learned for it."""
        closed = func.coalesce(chat_sessions.c.closed_at, self._clock.now())
        connection.execute(
            update(chat_sessions)
            .where(chat_sessions.c.memory_profile_id == profile.id)
            .values(memory_profile_id=None, closed_at=closed)
        )
        connection.execute(
            update(members)
            .where(members.c.profile_id == profile.id)
            .values(profile_id=None, version=members.c.version + 1)
        )
        named = chat_messages.c.namespace == str(profile.namespace)
        connection.execute(update(chat_messages).where(named).values(namespace=None))

    @reads
    def get_memory_profile(self, connection: Connection, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        return find_profile(connection, user_id, profile_id, counted=True)

    @reads
    def get_default_memory_profile(self, connection: Connection, user_id: UserId) -> MemoryProfile:
        return default_profile(connection, user_id, counted=True)

    @writes
    def set_default_memory_profile(
        self, connection: Connection, user_id: UserId, profile_id: ProfileId
    ) -> MemoryProfile:
        find_profile(connection, user_id, profile_id)
        return make_default(connection, user_id, profile_id)

    @writes
    def share_profile(
        self, connection: Connection, conversation_id: ConversationId, namespace: MemoryNamespace
    ) -> None:
        find_profile(connection, namespace.user_id, namespace.profile_id)
        if connection.execute(select(1).where(conversations.c.id == conversation_id)).first() is None:
            raise NotFound
        share = {
            "conversation_id": conversation_id,
            "user_id": namespace.user_id,
            "profile_id": namespace.profile_id,
            "created_at": self._clock.now(),
        }
        connection.execute(insert(profile_shares).values(share).on_conflict_do_nothing())

    @writes
    def unshare_profile(
        self, connection: Connection, conversation_id: ConversationId, namespace: MemoryNamespace
    ) -> bool:
        gone = connection.execute(
            delete(profile_shares).where(
                profile_shares.c.conversation_id == conversation_id,
                profile_shares.c.user_id == namespace.user_id,
                profile_shares.c.profile_id == namespace.profile_id,
            )
        )
        return bool(gone.rowcount)

    @reads
    def get_shares(self, connection: Connection, conversation_id: ConversationId) -> list[ProfileShare]:
        return shares_in(connection, conversation_id)

    @reads
    def get_user_shares(self, connection: Connection, user_id: UserId) -> list[ProfileShare]:
        wanted = select(profile_shares).where(profile_shares.c.user_id == user_id)
        return [rows.share_of(row) for row in connection.execute(wanted.order_by(profile_shares.c.ordinal))]


def profiles_of(connection: Connection, user_id: UserId, *, counted: bool = False) -> list[MemoryProfile]:
    """Oldest first; `memory_count` is 0 unless `counted`, here and below."""
    return [rows.profile_of(row) for row in connection.execute(_OF_USER[counted], {"user_id": user_id})]


def find_profile(
    connection: Connection, user_id: UserId, profile_id: ProfileId, *, counted: bool = False
) -> MemoryProfile:
    row = connection.execute(_ONE[counted], {"user_id": user_id, "profile_id": profile_id}).first()
    if row is None:
        raise NotFound
    return rows.profile_of(row)


def default_profile(connection: Connection, user_id: UserId, *, counted: bool = False) -> MemoryProfile:
    row = connection.execute(_DEFAULT[counted], {"user_id": user_id}).first()
    if row is None:
        raise NotFound
    return rows.profile_of(row)


def shares_in(connection: Connection, conversation_id: ConversationId) -> list[ProfileShare]:
    found = connection.execute(_SHARES, {"conversation_id": conversation_id})
    return [rows.share_of(row) for row in found]


def owns(connection: Connection, namespace: MemoryNamespace) -> bool:
    """Whether the namespace's profile is there and its user's."""
    key = {"profile_id": namespace.profile_id, "user_id": namespace.user_id}
    return connection.execute(_OWNED, key).first() is not None


def check_name(connection: Connection, profile: MemoryProfile) -> None:
    taken = (
        memory_profiles.c.user_id == profile.user_id,
        memory_profiles.c.name_key == name_key(profile.name),
        memory_profiles.c.id != profile.id,
    )
    if connection.execute(select(1).where(*taken)).first() is not None:
        raise NameTaken


def make_default(connection: Connection, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
    """The old one first: at no moment there are two."""
    mine = memory_profiles.c.user_id == user_id
    old = (mine, memory_profiles.c.is_default.is_(True), memory_profiles.c.id != profile_id)
    connection.execute(update(memory_profiles).where(*old).values(is_default=False))
    connection.execute(update(memory_profiles).where(mine, memory_profiles.c.id == profile_id).values(is_default=True))
    return find_profile(connection, user_id, profile_id, counted=True)
