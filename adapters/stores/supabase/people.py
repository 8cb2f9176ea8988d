from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import (
    channel_identities,
    memory_profiles,
    profile_shares,
    users,
)
from adapters.stores.supabase.group import Group
from adapters.stores.supabase.values import maybe_row, row_of
from core.batches import ProfilePatch, UserPatch
from core.errors import Conflict, NameTaken, NotFound
from core.types import (
    ChannelIdentity,
    ConversationId,
    IdentityId,
    MemoryNamespace,
    MemoryProfile,
    PlatformName,
    ProfileId,
    ProfileShare,
    Usage,
    User,
    UserId,
    UserKind,
)


class SupabaseUsers(Group):
    async def get_user_by_id(self, user_id: UserId) -> User:
        row = await self._rest.first(users, {"id": user_id})
        if row is None:
            raise NotFound
        return rows.user_of(row)

    async def get_user_by_email(self, email: str) -> User | None:
        found = await self._rest.call("mc_user_by_email", {"email_key": rules.email_key(email)}, safe=True)
        row = maybe_row(users, found)
        return rows.user_of(row) if row else None

    async def create_user(
        self,
        email: str | None = None,
        user_id: UserId | None = None,
        *,
        kind: UserKind = UserKind.PERSON,
        display_name: str = "",
    ) -> User:
        user = rules.new_user(self._clock.now(), kind, email, user_id, display_name)
        await self._rest.call("mc_create_user", with_profile(user))
        return user

    async def update_user(self, user_id: UserId, patch: UserPatch) -> User:
        changes = {**rules.given(patch), "updated_at": self._clock.now()}
        if patch.email is not None:
            changes["email_key"] = rules.email_key(patch.email) or None
        changed = await self._rest.change(users, changes, {"id": user_id})
        if not changed:
            raise NotFound
        return rows.user_of(changed[0])

    async def find_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str
    ) -> ChannelIdentity | None:
        key = {"platform": platform, "workspace_id": workspace_id, "external_id": external_id}
        row = await self._rest.first(channel_identities, key)
        return rows.identity_of(row) if row else None

    async def resolve_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        known = await self.find_identity(platform, workspace_id, external_id)
        if known and display_name in ("", known.display_name):
            return known, False
        now = self._clock.now()
        user = rules.new_user(now, UserKind.PERSON, None, None, display_name)
        identity = rules.new_identity(now, user.id, platform, workspace_id, external_id, display_name)
        given = {**with_profile(user), "identity": rows.identity_values(identity)}
        found = await self._rest.call("mc_resolve_identity", given, safe=True)
        return rows.identity_of(row_of(channel_identities, found["identity"])), bool(found["created"])

    async def add_identity(
        self, user_id: UserId, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> ChannelIdentity:
        await self.get_user_by_id(user_id)
        now = self._clock.now()
        identity = rules.new_identity(now, user_id, platform, workspace_id, external_id, display_name)
        key = ("platform", "workspace_id", "external_id")
        if await self._rest.add(channel_identities, rows.identity_values(identity), key=key, safe=True):
            return identity
        known = await self.find_identity(platform, workspace_id, external_id)
        if known is None or known.user_id != user_id:
            raise Conflict
        return known

    async def get_identities(self, user_id: UserId) -> list[ChannelIdentity]:
        found = await self._rest.find(channel_identities, {"user_id": user_id}, order=("ordinal",))
        return [rows.identity_of(row) for row in found]

    async def move_identity(self, user_id: UserId, identity_id: IdentityId, new_user_id: UserId) -> ChannelIdentity:
        if (await self.get_user_by_id(new_user_id)).kind is not UserKind.PERSON:
            raise NotFound
        which = {"id": identity_id, "user_id": user_id}
        moved = await self._rest.change(channel_identities, {"user_id": new_user_id}, which, safe=False)
        if not moved:
            raise NotFound
        return rows.identity_of(moved[0])

    async def add_usage(self, user_id: UserId, day: date, usage: Usage) -> None:
        await self._rest.call("mc_count_usage", usage_values(user_id, day, usage))

    async def get_usage(self, user_id: UserId | None, day: date) -> Usage:
        return Usage(*await self._rest.call("mc_usage_on", {"user_id": user_id, "day": day}, safe=True))

    async def roll_up_usage(self, before: date) -> int:
        return int(await self._rest.call("mc_roll_up_usage", {"before": before.replace(day=1)}, safe=True))


class SupabaseProfiles(Group):
    async def get_memory_profiles(self, user_id: UserId) -> list[MemoryProfile]:
        return sorted(await self._profiles(user_id=user_id), key=rules.profile_order)

    async def create_memory_profile(
        self, user_id: UserId, name: str, description: str = "", is_default: bool = False
    ) -> MemoryProfile:
        profile = rules.new_profile(self._clock.now(), user_id, name, description, is_default=False)
        given = {"profile": rows.profile_values(profile), "is_default": is_default}
        await self._rest.call("mc_create_profile", given, safe=True)
        return replace(profile, is_default=is_default)

    async def update_memory_profile(self, user_id: UserId, profile_id: ProfileId, patch: ProfilePatch) -> MemoryProfile:
        old = await self.get_memory_profile(user_id, profile_id)
        profile = rules.patched_profile(old, patch, self._clock.now())
        before = rows.profile_values(old)
        changes = {name: value for name, value in rows.profile_values(profile).items() if value != before[name]}
        try:
            changed = await self._rest.change(memory_profiles, changes, {"id": profile_id, "user_id": user_id})
        except Conflict:
            raise NameTaken from None
        if not changed:
            raise NotFound
        return profile

    async def delete_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        given = {"user_id": user_id, "id": profile_id, "at": self._clock.now()}
        return int(await self._rest.call("mc_delete_profile", given))

    async def get_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        return _only(await self._profiles(user_id=user_id, id=profile_id))

    async def get_default_memory_profile(self, user_id: UserId) -> MemoryProfile:
        return _only(await self._profiles(user_id=user_id, is_default=True))

    async def set_default_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        await self._rest.call("mc_set_default_profile", {"user_id": user_id, "id": profile_id}, safe=True)
        return await self.get_memory_profile(user_id, profile_id)

    async def share_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> None:
        await self.get_memory_profile(namespace.user_id, namespace.profile_id)
        share = {**_share(conversation_id, namespace), "created_at": self._clock.now()}
        await self._rest.add(profile_shares, share, key=("conversation_id", "profile_id"), safe=True)

    async def unshare_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> bool:
        return bool(await self._rest.drop(profile_shares, _share(conversation_id, namespace)))

    async def get_shares(self, conversation_id: ConversationId) -> list[ProfileShare]:
        found = await self._rest.find(profile_shares, {"conversation_id": conversation_id}, order=("ordinal",))
        return [rows.share_of(row) for row in found]

    async def get_user_shares(self, user_id: UserId) -> list[ProfileShare]:
        found = await self._rest.find(profile_shares, {"user_id": user_id}, order=("ordinal",))
        return [rows.share_of(row) for row in found]

    async def _profiles(self, **which: object) -> list[MemoryProfile]:
        """Oldest first."""
        found = await self._rest.call("mc_profiles", which, safe=True)
        return [profile_of(item) for item in found]


def with_profile(user: User) -> dict[str, Any]:
    """A new user and the default profile that goes with them."""
    return {"user": rows.user_values(user), "profile": rows.profile_values(rules.first_profile(user))}


def usage_values(user_id: UserId, day: date, usage: Usage) -> dict[str, Any]:
    counts = {name: getattr(usage, name) for name in ("messages", "prompt_tokens", "completion_tokens")}
    return {"user_id": user_id, "day": day, **counts}


def profile_of(data: Mapping[str, Any]) -> MemoryProfile:
    return rows.profile_of(row_of(memory_profiles, data))


def _only(found: list[MemoryProfile]) -> MemoryProfile:
    if not found:
        raise NotFound
    return found[0]


def _share(conversation_id: ConversationId, namespace: MemoryNamespace) -> dict[str, object]:
    return {
        "conversation_id": conversation_id,
        "user_id": namespace.user_id,
        "profile_id": namespace.profile_id,
    }
