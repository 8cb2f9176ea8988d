from __future__ import annotations

import asyncio

import pytest

from core.batches import AcceptBatch, ProfilePatch
from core.errors import InvalidName, NameTaken, NotFound, OnlyProfile
from core.ports import Store
from core.types import MemoryNamespace, MemoryState, ProfileId, new_id
from tests.contracts.store.cast import Cast


async def test_profiles_are_listed_default_first_then_by_name(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    for name in ("zoo", "Éclair", "Work"):
        await store.create_memory_profile(ann.user.id, name, f"about {name}")
    profiles = await store.get_memory_profiles(ann.user.id)
    assert [profile.name for profile in profiles] == ["personal", "Work", "zoo", "Éclair"]
    assert profiles[1].description == "about Work"


async def test_names_clash_as_people_read_them(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    work = await store.create_memory_profile(ann.user.id, "  Work  place ")
    assert work.name == "Work place"
    for same in ("work PLACE", "Ｗork place"):
        with pytest.raises(NameTaken):
            await store.create_memory_profile(ann.user.id, same)
    with pytest.raises(NameTaken):
        await store.update_memory_profile(ann.user.id, work.id, ProfilePatch(name="PERSONAL"))
    with pytest.raises(InvalidName):
        await store.create_memory_profile(ann.user.id, "  ")
    await store.create_memory_profile(bob.user.id, "work place")
    renamed = await store.update_memory_profile(ann.user.id, work.id, ProfilePatch(name="WORK place"))
    assert renamed.name == "WORK place"
    assert len(await store.get_memory_profiles(ann.user.id)) == 2


async def test_a_patch_changes_what_it_gives(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    profile = await store.get_default_memory_profile(ann.user.id)
    patch = ProfilePatch(description="d", instructions="be brief", retention_days=30)
    changed = await store.update_memory_profile(ann.user.id, profile.id, patch)
    assert (changed.description, changed.instructions, changed.retention_days) == ("d", "be brief", 30)
    kept = await store.update_memory_profile(ann.user.id, profile.id, ProfilePatch(retention_days=0, description=""))
    assert (kept.description, kept.instructions, kept.retention_days) == ("", "be brief", None)
    assert await store.get_memory_profile(ann.user.id, profile.id) == kept


async def test_another_persons_profile_cannot_be_touched(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    work = await store.create_memory_profile(ann.user.id, "work")
    stolen = MemoryNamespace(eve.user.id, work.id)
    for call in (
        store.get_memory_profile(eve.user.id, work.id),
        store.update_memory_profile(eve.user.id, work.id, ProfilePatch(name="mine")),
        store.delete_memory_profile(eve.user.id, work.id),
        store.set_default_memory_profile(eve.user.id, work.id),
        store.share_profile(eve.chat.id, stolen),
        store.get_memory_profile(ann.user.id, ProfileId(new_id())),
    ):
        with pytest.raises(NotFound):
            await call
    await store.share_profile(ann.chat.id, work.namespace)
    assert not await store.unshare_profile(ann.chat.id, stolen)
    assert await store.get_memory_profile(ann.user.id, work.id) == work
    assert (await store.get_default_memory_profile(eve.user.id)).name == "personal"
    assert len(await store.get_shares(ann.chat.id)) == 1


async def test_exactly_one_default_whatever_happens_at_once(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    profiles = [await store.create_memory_profile(ann.user.id, f"p{n}", is_default=n % 2 == 0) for n in range(8)]
    assert profiles[0].is_default
    await asyncio.gather(*(store.set_default_memory_profile(ann.user.id, profile.id) for profile in profiles * 4))
    found = await store.get_memory_profiles(ann.user.id)
    assert sum(profile.is_default for profile in found) == 1
    assert await store.get_default_memory_profile(ann.user.id) == found[0]


async def test_deleting_a_profile_takes_all_that_hangs_on_it(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    old = await store.get_default_memory_profile(ann.user.id)
    with pytest.raises(OnlyProfile):
        await store.delete_memory_profile(ann.user.id, old.id)
    work = await store.create_memory_profile(ann.user.id, "work")
    row = await cast.accepted(ann)
    await store.create_chat_message(ann.user.id, cast.said(ann, row))
    await cast.remembered(old.namespace)
    await cast.remembered(old.namespace, state=MemoryState.SUPERSEDED)
    await store.share_profile(ann.chat.id, old.namespace)
    member = await store.get_member(ann.chat.id, ann.user.id)
    chosen = await store.save_member(type(member)(ann.chat.id, ann.user.id, profile_id=old.id))

    assert await store.delete_memory_profile(ann.user.id, old.id) == 2

    assert (await store.get_default_memory_profile(ann.user.id)).id == work.id
    session = await store.get_chat_session(ann.user.id, ann.session.id)
    assert (session.memory_profile_id, session.closed_at) == (None, cast.now)
    fallen_back = await store.get_member(ann.chat.id, ann.user.id)
    assert (fallen_back.profile_id, fallen_back.version) == (None, chosen.version + 1)
    assert await store.get_shares(ann.chat.id) == []
    assert await store.count_mem0_memory_references(old.namespace) == 0
    assert await store.get_unlearned_messages(old.namespace, 10) == []
    assert len(await store.get_session_messages(ann.user.id, ann.session.id)) == 1
    with pytest.raises(NotFound):
        await cast.remembered(old.namespace)


async def test_a_count_is_of_what_can_be_recalled(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    await cast.remembered(ann.namespace)
    await cast.remembered(ann.namespace, state=MemoryState.LEARNED)
    await cast.remembered(ann.namespace, state=MemoryState.SUPERSEDED)
    assert (await store.get_default_memory_profile(ann.user.id)).memory_count == 2
    assert (await store.get_memory_profiles(ann.user.id))[0].memory_count == 2


async def test_sharing_is_idempotent_and_ends(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    room, _, _ = await cast.room()
    await store.share_profile(room.id, ann.namespace)
    await store.share_profile(room.id, ann.namespace)
    (share,) = await store.get_shares(room.id)
    assert (share.conversation_id, share.namespace) == (room.id, ann.namespace)
    assert await store.get_user_shares(ann.user.id) == [share]
    assert await store.unshare_profile(room.id, ann.namespace)
    assert not await store.unshare_profile(room.id, ann.namespace)
    assert await store.get_shares(room.id) == []


async def test_what_was_accepted_under_a_deleted_profile_is_still_answered(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    await store.create_memory_profile(ann.user.id, "work")
    row = await store.accept(AcceptBatch(row=cast.row(ann)))
    await store.delete_memory_profile(ann.user.id, ann.namespace.profile_id)
    assert row is not None
    assert (await store.get_turn(ann.user.id, row.id)).stamp == row.stamp
