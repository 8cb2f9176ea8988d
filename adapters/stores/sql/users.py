from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import Connection, Date, and_, bindparam, delete, func, literal, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import channel_identities, memory_profiles, usage, users
from core.batches import UserPatch
from core.errors import Conflict, NotFound
from core.types import ChannelIdentity, IdentityId, PlatformName, Usage, User, UserId, UserKind

_COUNTS = ("messages", "prompt_tokens", "completion_tokens")
_added = insert(usage)
_COUNT = _added.on_conflict_do_update(
    index_elements=["user_id", "day"], set_={name: usage.c[name] + _added.excluded[name] for name in _COUNTS}
)
_ADD_USER = insert(users).on_conflict_do_nothing()
_ADD_PROFILE = insert(memory_profiles)
_ADD_IDENTITY = insert(channel_identities)
_USER = select(users).where(users.c.id == bindparam("user_id"))
_IDENTITY = select(channel_identities).where(
    channel_identities.c.platform == bindparam("platform"),
    channel_identities.c.workspace_id == bindparam("workspace_id"),
    channel_identities.c.external_id == bindparam("external_id"),
)


class SqlUsers(Group):
    @reads
    def get_user_by_id(self, connection: Connection, user_id: UserId) -> User:
        return find_user(connection, user_id)

    @reads
    def get_user_by_email(self, connection: Connection, email: str) -> User | None:
        row = connection.execute(select(users).where(users.c.email_key == rules.email_key(email))).first()
        return rows.user_of(row) if row else None

    @writes
    def create_user(
        self,
        connection: Connection,
        email: str | None = None,
        user_id: UserId | None = None,
        *,
        kind: UserKind = UserKind.PERSON,
        display_name: str = "",
    ) -> User:
        return add_user(connection, rules.new_user(self._clock.now(), kind, email, user_id, display_name))

    @writes
    def update_user(self, connection: Connection, user_id: UserId, patch: UserPatch) -> User:
        old = find_user(connection, user_id)
        user = replace(old, updated_at=self._clock.now(), **rules.given(patch))
        user = replace(user, metadata=rules.plain(user.metadata))
        connection.execute(update(users).where(users.c.id == user_id).values(rows.user_values(user)))
        return user

    @reads
    def find_identity(
        self, connection: Connection, platform: PlatformName, workspace_id: str, external_id: str
    ) -> ChannelIdentity | None:
        return identity_at(connection, platform, workspace_id, external_id)

    async def resolve_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        known = await self.find_identity(platform, workspace_id, external_id)
        if known and display_name in ("", known.display_name):
            return known, False
        return await self._write_identity(platform, workspace_id, external_id, display_name)

    @writes
    def _write_identity(
        self, connection: Connection, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        known = identity_at(connection, platform, workspace_id, external_id)
        if known:
            known = replace(known, display_name=display_name or known.display_name)
            where = channel_identities.c.id == known.id
            connection.execute(update(channel_identities).where(where).values(display_name=known.display_name))
            return known, False
        now = self._clock.now()
        user = add_user(connection, rules.new_user(now, UserKind.PERSON, None, None, display_name))
        identity = rules.new_identity(now, user.id, platform, workspace_id, external_id, display_name)
        return _add_identity(connection, identity), True

    @writes
    def add_identity(
        self,
        connection: Connection,
        user_id: UserId,
        platform: PlatformName,
        workspace_id: str,
        external_id: str,
        display_name: str,
    ) -> ChannelIdentity:
        find_user(connection, user_id)
        known = identity_at(connection, platform, workspace_id, external_id)
        if known is None:
            now = self._clock.now()
            identity = rules.new_identity(now, user_id, platform, workspace_id, external_id, display_name)
            return _add_identity(connection, identity)
        if known.user_id != user_id:
            raise Conflict
        return known

    @reads
    def get_identities(self, connection: Connection, user_id: UserId) -> list[ChannelIdentity]:
        mine = select(channel_identities).where(channel_identities.c.user_id == user_id)
        return [rows.identity_of(row) for row in connection.execute(mine.order_by(channel_identities.c.ordinal))]

    @writes
    def move_identity(
        self, connection: Connection, user_id: UserId, identity_id: IdentityId, new_user_id: UserId
    ) -> ChannelIdentity:
        if find_user(connection, new_user_id).kind is not UserKind.PERSON:
            raise NotFound
        table = channel_identities
        moved = connection.execute(
            update(table)
            .where(table.c.id == identity_id, table.c.user_id == user_id)
            .values(user_id=new_user_id)
            .returning(*table.c)
        ).first()
        if moved is None:
            raise NotFound
        return rows.identity_of(moved)

    @writes
    def add_usage(self, connection: Connection, user_id: UserId, day: date, usage: Usage) -> None:
        count_usage(connection, user_id, day, usage)

    @reads
    def get_usage(self, connection: Connection, user_id: UserId | None, day: date) -> Usage:
        columns = (usage.c.messages, usage.c.prompt_tokens, usage.c.completion_tokens)
        wanted = select(*(func.coalesce(func.sum(column), 0) for column in columns)).where(usage.c.day == day)
        if user_id is not None:
            wanted = wanted.where(usage.c.user_id == user_id)
        return Usage(*connection.execute(wanted).one())

    @writes
    def roll_up_usage(self, connection: Connection, before: date) -> int:
        old = select(usage.c.day).where(usage.c.day < before.replace(day=1)).distinct()
        months = {day.replace(day=1) for day in connection.scalars(old) if day.day > 1}
        return sum(_roll_up(connection, month) for month in sorted(months))


def find_user(connection: Connection, user_id: UserId) -> User:
    row = connection.execute(_USER, {"user_id": user_id}).first()
    if row is None:
        raise NotFound
    return rows.user_of(row)


def add_user(connection: Connection, user: User) -> User:
    """With the default profile. Raises Conflict on a taken e-mail or id."""
    if not connection.execute(_ADD_USER, rows.user_values(user)).rowcount:
        raise Conflict
    connection.execute(_ADD_PROFILE, rows.profile_values(rules.first_profile(user)))
    return user


def _add_identity(connection: Connection, identity: ChannelIdentity) -> ChannelIdentity:
    connection.execute(_ADD_IDENTITY, rows.identity_values(identity))
    return identity


def count_usage(connection: Connection, user_id: UserId, day: date, more: Usage) -> None:
    values = {name: getattr(more, name) for name in _COUNTS}
    connection.execute(_COUNT, {"user_id": user_id, "day": day, **values})


def _roll_up(connection: Connection, month: date) -> int:
    """Into the row of `month`, which is a first day; how many rows went."""
    days = and_(usage.c.day > month, usage.c.day < (month + timedelta(days=31)).replace(day=1))
    summed = [func.sum(usage.c[name]) for name in _COUNTS]
    rest = select(usage.c.user_id, literal(month, Date), *summed).where(days).group_by(usage.c.user_id)
    added = insert(usage).from_select(["user_id", "day", *_COUNTS], rest)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["user_id", "day"], set_={name: usage.c[name] + added.excluded[name] for name in _COUNTS}
        )
    )
    return connection.execute(delete(usage).where(days)).rowcount


def identity_at(
    connection: Connection, platform: PlatformName, workspace_id: str, external_id: str
) -> ChannelIdentity | None:
    key = {"platform": platform, "workspace_id": workspace_id, "external_id": external_id}
    row = connection.execute(_IDENTITY, key).first()
    return rows.identity_of(row) if row else None
