from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from adapters.stores import merging
from adapters.stores.memory.memories import MemoryMemories
from adapters.stores.memory.users import MemoryUsers
from adapters.stores.merging import Merging
from core.batches import LinkOffer, MergeBatch
from core.errors import StaleMember
from core.types import ChatMessage, IdentityId, MemoryNamespace, MemoryRecord, UserId

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class MemoryLinks(MemoryUsers, MemoryMemories):
    async def put_link_code(self, offer: LinkOffer, code_hash: str, expires_at: datetime) -> None:
        self._tables.user(offer.user_id)
        self._tables.drop_link_codes({offer.user_id})
        self._tables.link_codes[code_hash] = (offer, expires_at)

    async def take_link_code(self, code_hash: str, now: datetime) -> LinkOffer | None:
        offer, expires_at = self._tables.link_codes.pop(code_hash, (None, now))
        return offer if expires_at > now else None

    async def get_link_failures(self, identity_id: IdentityId, forget_before: datetime) -> int:
        failures, at = self._tables.link_failures.get(identity_id, (0, forget_before))
        return failures if at >= forget_before else 0

    async def count_link_failure(self, identity_id: IdentityId, now: datetime, forget_before: datetime) -> int:
        failures = await self.get_link_failures(identity_id, forget_before) + 1
        self._tables.link_failures[identity_id] = (failures, now)
        return failures

    async def clear_link_failures(self, identity_id: IdentityId) -> None:
        self._tables.link_failures.pop(identity_id, None)

    async def get_authored_messages(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        sessions = self._tables.sessions
        rows = [row for row in self._tables.messages.values() if row.author_id == user_id]
        rows = [row for row in rows if sessions[row.session_id].user_id != user_id]
        return sorted(rows, key=lambda row: (row.created_at, row.session_id, row.seq))[offset : offset + limit]

    async def get_authored_memories(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[MemoryRecord]:
        rows = [row for row in self._tables.memories.values() if row.author_id == user_id]
        rows = [row for row in rows if row.namespace.user_id != user_id]
        return sorted(rows, key=lambda row: row.said_at)[offset : offset + limit]

    async def merge_users(self, batch: MergeBatch) -> None:
        tables = self._tables
        source, target = tables.user(batch.source), tables.user(batch.target)
        plan = merging.plan(batch, tables.profiles_of(source.id), tables.profiles_of(target.id))
        for namespace, generation in batch.generations:
            if tables.state(namespace).generation != generation:
                raise StaleMember
        self._merge_memories(plan, batch)
        self._merge_profiles(plan, batch)
        self._merge_talk(plan)
        self._merge_places(plan)
        self._merge_account(plan)
        del tables.users[source.id]
        tables.users[target.id] = merging.merged_user(source, target, batch.at)

    def _merge_memories(self, plan: Merging, batch: MergeBatch) -> None:
        tables = self._tables
        for profile in tables.profiles_of(plan.source):
            tables.move_on(profile.namespace, removed=True, erased=True)
        for record in [row for row in tables.memories.values() if row.namespace.user_id == plan.source]:
            del tables.memories[record.id]
        generations: dict[MemoryNamespace, int] = {}
        for record in batch.records:
            self._write_at(generations, record)
        for record in [row for row in tables.memories.values() if row.author_id == plan.source]:
            self._write_at(generations, replace(record, author_id=plan.target))
        for profile_id, _ in batch.profiles:
            moved = MemoryNamespace(plan.target, profile_id)
            if moved not in generations:
                tables.move_on(moved)

    def _write_at(self, generations: dict[MemoryNamespace, int], record: MemoryRecord) -> None:
        """All records of one namespace get the same new generation."""
        if record.namespace not in generations:
            generations[record.namespace] = self._tables.move_on(record.namespace)
        self._write_record(record, generations[record.namespace])

    def _merge_profiles(self, plan: Merging, batch: MergeBatch) -> None:
        table = self._tables.profiles
        del table[plan.old_default.id]
        for profile_id, name in batch.profiles:
            table[profile_id] = replace(
                table[profile_id], user_id=plan.target, name=name, is_default=False, updated_at=batch.at
            )
        table[plan.new_default.id] = plan.default()

    def _merge_talk(self, plan: Merging) -> None:
        tables = self._tables
        for session in [row for row in tables.sessions.values() if row.user_id == plan.source]:
            profile_id = plan.profile(session.memory_profile_id) if session.memory_profile_id else None
            tables.sessions[session.id] = replace(session, user_id=plan.target, memory_profile_id=profile_id)
        for message in list(tables.messages.values()):
            namespace = plan.namespace(message.namespace) if message.namespace else None
            author = plan.user(message.author_id) if message.author_id else None
            tables.messages[message.id] = replace(message, author_id=author, namespace=namespace)
        for turn in list(tables.inbox.values()):
            tables.inbox[turn.id] = replace(turn, stamp=plan.stamp(turn.stamp))

    def _merge_places(self, plan: Merging) -> None:
        tables = self._tables
        for key in [key for key in tables.members if key[1] == plan.source]:
            theirs = (key[0], plan.target)
            tables.members[theirs] = plan.member(tables.members.pop(key), tables.members.get(theirs))
        for place, namespace in [key for key in tables.shares if key[1].user_id == plan.source]:
            share = tables.shares.pop((place, namespace))
            moved = plan.namespace(namespace)
            tables.shares.setdefault((place, moved), replace(share, namespace=moved))

    def _merge_account(self, plan: Merging) -> None:
        tables = self._tables
        for identity in [row for row in tables.identities.values() if row.user_id == plan.source]:
            tables.identities[identity.id] = replace(identity, user_id=plan.target)
        for key in [key for key in tables.usage if key[0] == plan.source]:
            self._add_usage(plan.target, key[1], tables.usage.pop(key))
        for receipt in [row for row in tables.receipts.values() if row.user_id == plan.source]:
            tables.receipts[receipt.id] = replace(receipt, user_id=plan.target)
        for sign_in in [row for row in tables.sign_ins.values() if row.user_id == plan.source]:
            tables.sign_ins[sign_in.id] = replace(sign_in, user_id=plan.target)
        for key_hash, api_key in [item for item in tables.api_keys.items() if item[1].user_id == plan.source]:
            tables.api_keys[key_hash] = replace(api_key, user_id=plan.target)
        if plan.source in tables.credentials:
            tables.credentials.setdefault(plan.target, tables.credentials.pop(plan.source))
        for waiting in [key for key in tables.pending if key[0] in {plan.source, plan.target}]:
            del tables.pending[waiting]
        tables.drop_link_codes({plan.source, plan.target})
