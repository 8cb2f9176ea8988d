from __future__ import annotations

from dataclasses import replace

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.batches import ProfilePatch
from core.errors import NameTaken, NotFound, OnlyProfile
from core.profiles import name_key
from core.types import ConversationId, MemoryNamespace, MemoryProfile, ProfileId, ProfileShare, UserId


class MemoryProfiles(Group):
    async def get_memory_profiles(self, user_id: UserId) -> list[MemoryProfile]:
        return sorted(self._tables.profiles_of(user_id), key=rules.profile_order)

    async def create_memory_profile(
        self, user_id: UserId, name: str, description: str = "", is_default: bool = False
    ) -> MemoryProfile:
        self._tables.user(user_id)
        profile = rules.new_profile(self._clock.now(), user_id, name, description, is_default=False)
        self._check_name(profile)
        self._tables.profiles[profile.id] = profile
        return await self.set_default_memory_profile(user_id, profile.id) if is_default else profile

    def _check_name(self, profile: MemoryProfile) -> None:
        taken = {name_key(row.name) for row in self._tables.profiles_of(profile.user_id) if row.id != profile.id}
        if name_key(profile.name) in taken:
            raise NameTaken

    async def update_memory_profile(self, user_id: UserId, profile_id: ProfileId, patch: ProfilePatch) -> MemoryProfile:
        old = self._tables.profile(user_id, profile_id)
        profile = rules.patched_profile(old, patch, self._clock.now())
        self._check_name(profile)
        self._tables.profiles[profile_id] = profile
        return profile

    async def delete_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        tables = self._tables
        profile = tables.profile(user_id, profile_id)
        others = [row for row in tables.profiles_of(user_id) if row.id != profile_id]
        if not others:
            raise OnlyProfile
        del tables.profiles[profile_id]
        if profile.is_default:
            await self.set_default_memory_profile(user_id, others[0].id)
        self._let_go_of(profile_id)
        return self._drop_namespace(profile.namespace)

    def _let_go_of(self, profile_id: ProfileId) -> None:
        """Sessions close without their profile, members fall back to their default."""
        now = self._clock.now()
        for session in [s for s in self._tables.sessions.values() if s.memory_profile_id == profile_id]:
            self._tables.sessions[session.id] = replace(
                session, memory_profile_id=None, closed_at=session.closed_at or now
            )
        for key, member in [(k, m) for k, m in self._tables.members.items() if m.profile_id == profile_id]:
            self._tables.members[key] = replace(member, profile_id=None, version=member.version + 1)

    def _drop_namespace(self, namespace: MemoryNamespace) -> int:
        tables = self._tables
        for message in [m for m in tables.messages.values() if m.namespace == namespace]:
            tables.messages[message.id] = replace(message, namespace=None)
        for key in [key for key in tables.shares if key[1] == namespace]:
            del tables.shares[key]
        tables.namespaces.pop(namespace, None)
        gone = [row.id for row in tables.memories.values() if row.namespace == namespace]
        for memory_id in gone:
            del tables.memories[memory_id]
        return len(gone)

    async def get_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        return self._tables.profile(user_id, profile_id)

    async def get_default_memory_profile(self, user_id: UserId) -> MemoryProfile:
        profile = next((row for row in self._tables.profiles_of(user_id) if row.is_default), None)
        if profile is None:
            raise NotFound
        return profile

    async def set_default_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile:
        self._tables.profile(user_id, profile_id)
        for row in self._tables.profiles_of(user_id):
            self._tables.profiles[row.id] = replace(row, is_default=row.id == profile_id)
        return self._tables.profile(user_id, profile_id)

    async def share_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> None:
        self._tables.conversation(conversation_id)
        self._tables.profile(namespace.user_id, namespace.profile_id)
        share = ProfileShare(conversation_id, namespace, self._clock.now())
        self._tables.shares.setdefault((conversation_id, namespace), share)

    async def unshare_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> bool:
        return self._tables.shares.pop((conversation_id, namespace), None) is not None

    async def get_shares(self, conversation_id: ConversationId) -> list[ProfileShare]:
        return [share for share in self._tables.shares.values() if share.conversation_id == conversation_id]

    async def get_user_shares(self, user_id: UserId) -> list[ProfileShare]:
        return [share for share in self._tables.shares.values() if share.namespace.user_id == user_id]
