"""Joining the accounts of one person, and erasing one."""

from __future__ import annotations

from datetime import datetime

from adapters.stores import merging
from adapters.stores.merging import Merging
from adapters.stores.sql import rows
from adapters.stores.sql.schema import erasures, link_codes, link_failures, members
from adapters.stores.supabase.people import SupabaseProfiles, SupabaseUsers
from adapters.stores.supabase.values import row_of, to_json
from core.batches import LinkOffer, MergeBatch
from core.profiles import name_key
from core.types import (
    ConversationId,
    ErasureReceipt,
    IdentityId,
    Member,
    MemoryRecord,
    ProfileId,
    UserId,
    new_id,
)


class SupabaseLinks(SupabaseUsers, SupabaseProfiles):
    async def put_link_code(self, offer: LinkOffer, code_hash: str, expires_at: datetime) -> None:
        values = {
            "user_id": offer.user_id,
            "conversation_id": offer.conversation_id,
            "code_hash": code_hash,
            "expires_at": expires_at,
        }
        await self._rest.add(link_codes, values, key=("user_id",), replace=True)

    async def take_link_code(self, code_hash: str, now: datetime) -> LinkOffer | None:
        taken = await self._rest.drop(link_codes, {"code_hash": code_hash})
        if not taken or taken[0].expires_at <= now:
            return None
        return LinkOffer(UserId(taken[0].user_id), ConversationId(taken[0].conversation_id))

    async def get_link_failures(self, identity_id: IdentityId, forget_before: datetime) -> int:
        row = await self._rest.first(
            link_failures, {"identity_id": identity_id}, lambda query: query.gte("last_at", to_json(forget_before))
        )
        return row.failures if row else 0

    async def count_link_failure(self, identity_id: IdentityId, now: datetime, forget_before: datetime) -> int:
        given = {"identity_id": identity_id, "now": now, "forget_before": forget_before}
        return int(await self._rest.call("mc_count_link_failure", given))

    async def clear_link_failures(self, identity_id: IdentityId) -> None:
        await self._rest.drop(link_failures, {"identity_id": identity_id}, safe=True)

    async def merge_users(self, batch: MergeBatch) -> None:
        """What becomes of profiles and members is decided here over what is read first; the function refuses when
        that is no longer so."""
        source, target = await self.get_user_by_id(batch.source), await self.get_user_by_id(batch.target)
        old = await self._profiles(user_id=batch.source)
        plan = merging.plan(batch, old, await self._profiles(user_id=batch.target))
        theirs, joined = await self._joined_members(plan)
        user = rows.user_values(merging.merged_user(source, target, batch.at))
        given = {
            "source": batch.source,
            "target": batch.target,
            "at": batch.at,
            "old_default": plan.old_default.id,
            "new_default": plan.new_default.id,
            "old_profiles": [profile.id for profile in old],
            "profiles": [{"id": item, "name": name, "name_key": name_key(name)} for item, name in batch.profiles],
            "instructions": plan.default().instructions,
            "generations": [(name.user_id, name.profile_id, number) for name, number in batch.generations],
            "records": _by_profile(batch),
            "members_read": [(member.conversation_id, member.version) for member in theirs],
            "members": [rows.member_values(member) for member in joined],
            "user": {"email": user["email"], "email_key": user["email_key"]},
        }
        await self._rest.call("mc_merge_users", given)

    async def _joined_members(self, plan: Merging) -> tuple[list[Member], list[Member]]:
        """The source's members as they are, and each as it becomes the target's."""
        source = [rows.member_of(row) for row in await self._rest.find(members, {"user_id": plan.source})]
        target = [rows.member_of(row) for row in await self._rest.find(members, {"user_id": plan.target})]
        by_place = {member.conversation_id: member for member in target}
        return source, [plan.member(member, by_place.get(member.conversation_id)) for member in source]


class SupabaseErasure(SupabaseUsers):
    async def erase_user(self, user_id: UserId, at: datetime) -> ErasureReceipt:
        receipt = ErasureReceipt(new_id(), user_id, "user", {}, False, at)
        erased = await self._rest.call("mc_erase_user", rows.receipt_values(receipt))
        return rows.receipt_of(row_of(erasures, erased))

    async def save_receipt(self, receipt: ErasureReceipt) -> None:
        await self._rest.add(erasures, rows.receipt_values(receipt), key=("id",), replace=True)

    async def get_receipt(self, receipt_id: str) -> ErasureReceipt | None:
        row = await self._rest.first(erasures, {"id": receipt_id})
        return rows.receipt_of(row) if row else None


def _by_profile(batch: MergeBatch) -> list[dict[str, object]]:
    """The memories under each profile that is touched, those without any too."""
    found: dict[ProfileId, list[MemoryRecord]] = {profile_id: [] for profile_id, _ in batch.profiles}
    for record in batch.records:
        found.setdefault(record.namespace.profile_id, []).append(record)
    return [
        {"profile_id": profile_id, "records": [rows.memory_values(record) for record in records]}
        for profile_id, records in found.items()
    ]
