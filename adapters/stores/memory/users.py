from __future__ import annotations

from dataclasses import replace
from datetime import date

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.batches import UserPatch
from core.errors import Conflict, NotFound
from core.types import (
    ChannelIdentity,
    IdentityId,
    PlatformName,
    Usage,
    User,
    UserId,
    UserKind,
)


class MemoryUsers(Group):
    async def get_user_by_id(self, user_id: UserId) -> User:
        return self._tables.user(user_id)

    async def get_user_by_email(self, email: str) -> User | None:
        key = rules.email_key(email)
        return next((u for u in self._tables.users.values() if u.email and rules.email_key(u.email) == key), None)

    async def create_user(
        self,
        email: str | None = None,
        user_id: UserId | None = None,
        *,
        kind: UserKind = UserKind.PERSON,
        display_name: str = "",
    ) -> User:
        if user_id in self._tables.users or (email and await self.get_user_by_email(email)):
            raise Conflict
        return self._add_user(rules.new_user(self._clock.now(), kind, email, user_id, display_name))

    def _add_user(self, user: User) -> User:
        self._tables.users[user.id] = user
        profile = rules.first_profile(user)
        self._tables.profiles[profile.id] = profile
        return user

    async def update_user(self, user_id: UserId, patch: UserPatch) -> User:
        user = self._tables.user(user_id)
        if patch.email:
            holder = await self.get_user_by_email(patch.email)
            if holder and holder.id != user_id:
                raise Conflict
        user = replace(user, updated_at=self._clock.now(), **rules.given(patch))
        user = replace(user, metadata=rules.plain(user.metadata))
        self._tables.users[user_id] = user
        return user

    async def find_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str
    ) -> ChannelIdentity | None:
        key = (platform, workspace_id, external_id)
        rows = self._tables.identities.values()
        return next((row for row in rows if (row.platform, row.workspace_id, row.external_id) == key), None)

    async def resolve_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        identity = await self.find_identity(platform, workspace_id, external_id)
        created = identity is None
        if identity is None:
            now = self._clock.now()
            user = self._add_user(rules.new_user(now, UserKind.PERSON, None, None, display_name))
            identity = rules.new_identity(now, user.id, platform, workspace_id, external_id, display_name)
        elif display_name and display_name != identity.display_name:
            identity = replace(identity, display_name=display_name)
        self._tables.identities[identity.id] = identity
        return identity, created

    async def add_identity(
        self, user_id: UserId, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> ChannelIdentity:
        self._tables.user(user_id)
        known = await self.find_identity(platform, workspace_id, external_id)
        if known and known.user_id != user_id:
            raise Conflict
        now = self._clock.now()
        identity = known or rules.new_identity(now, user_id, platform, workspace_id, external_id, display_name)
        self._tables.identities[identity.id] = identity
        return identity

    async def get_identities(self, user_id: UserId) -> list[ChannelIdentity]:
        return [row for row in self._tables.identities.values() if row.user_id == user_id]

    async def move_identity(self, user_id: UserId, identity_id: IdentityId, new_user_id: UserId) -> ChannelIdentity:
        identity = self._tables.identities.get(identity_id)
        if identity is None or identity.user_id != user_id:
            raise NotFound
        if self._tables.user(new_user_id).kind is not UserKind.PERSON:
            raise NotFound
        self._tables.identities[identity_id] = moved = replace(identity, user_id=new_user_id)
        return moved

    async def add_usage(self, user_id: UserId, day: date, usage: Usage) -> None:
        self._tables.user(user_id)
        self._add_usage(user_id, day, usage)

    def _add_usage(self, user_id: UserId, day: date, usage: Usage) -> None:
        self._tables.usage[user_id, day] = _sum(self._tables.usage.get((user_id, day), Usage()), usage)

    async def get_usage(self, user_id: UserId | None, day: date) -> Usage:
        total = Usage()
        for (who, when), usage in self._tables.usage.items():
            if when == day and user_id in (None, who):
                total = _sum(total, usage)
        return total

    async def roll_up_usage(self, before: date) -> int:
        days = self._tables.usage
        old = [key for key in days if key[1] < before.replace(day=1) and key[1].day > 1]
        for user_id, day in old:
            self._add_usage(user_id, day.replace(day=1), days.pop((user_id, day)))
        return len(old)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.messages + other.messages,
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
    )
