from __future__ import annotations

from dataclasses import replace

import pytest

from core.batches import AcceptBatch, LinkOffer, MergeBatch, ProfilePatch
from core.errors import NameTaken, NotFound, StaleMember
from core.ports import Store
from core.sealing import Sealed
from core.types import Lane, MemoryNamespace, PrivacyMode, ProfileId, Usage, UserId, new_id
from tests.contracts.store.cast import Cast, Person


async def batch_for(store: Store, cast: Cast, source: Person, target: Person, **names: str) -> MergeBatch:
    """What the core would make of two people: the source's memories under their new namespaces."""
    profiles = await store.get_memory_profiles(source.user.id)
    extra = tuple((row.id, names.get(row.name, row.name)) for row in profiles if not row.is_default)
    moved = {row.namespace: MemoryNamespace(target.user.id, row.id) for row in profiles}
    moved[source.namespace] = target.namespace
    records = [
        replace(record, namespace=moved[row.namespace], text=Sealed("sealed anew", "k9"))
        for row in profiles
        for record in await store.get_mem0_memory_references(row.namespace)
    ]
    states = [(row.namespace, (await store.get_namespace_state(row.namespace)).generation) for row in profiles]
    return MergeBatch(
        source.user.id, target.user.id, cast.now, target.namespace.profile_id, extra, tuple(records), tuple(states)
    )


async def test_two_people_become_one(store: Store, cast: Cast) -> None:
    ann, web = await cast.person("Ann"), await cast.person("Web")
    room, session, space = await cast.room()
    work = await store.create_memory_profile(web.user.id, "work")
    await store.update_memory_profile(web.user.id, web.namespace.profile_id, ProfilePatch(instructions="be brief"))
    fact, job = await cast.remembered(web.namespace), await cast.remembered(work.namespace)
    in_room = await cast.remembered(space, author_id=web.user.id)
    row = await cast.accepted(web)
    said = await store.create_chat_message(web.user.id, cast.said(web, row))
    room_row = cast.row_in(web, room, session, space)
    room_row = replace(room_row, stamp=replace(room_row.stamp, recall=(space, web.namespace, ann.namespace)))
    await store.accept(AcceptBatch(row=room_row))
    await store.save_member(replace(await store.get_member(room.id, ann.user.id), profile_id=ann.namespace.profile_id))
    await store.save_member(replace(await store.get_member(room.id, web.user.id), mode=PrivacyMode.INCOGNITO))
    mine = await store.get_member(web.chat.id, web.user.id)
    await store.save_member(replace(mine, profile_id=web.namespace.profile_id))
    for person in (ann, web):
        await store.share_profile(room.id, person.namespace)
        await store.add_usage(person.user.id, cast.now.date(), Usage(1, 10, 5))
        await store.put_pending(person.user.id, room.id, "t", {}, cast.lease)
        await store.put_link_code(LinkOffer(person.user.id, person.chat.id), person.user.id, cast.lease)
    await store.share_profile(web.chat.id, work.namespace)
    target_before = await store.get_namespace_state(ann.namespace)

    await store.merge_users(await batch_for(store, cast, web, ann, work="work (2)"))

    with pytest.raises(NotFound):
        await store.get_user_by_id(web.user.id)
    assert {item.id for item in await store.get_identities(ann.user.id)} == {ann.identity, web.identity}
    profiles = await store.get_memory_profiles(ann.user.id)
    assert [(row.id, row.name, row.is_default, row.instructions) for row in profiles] == [
        (ann.namespace.profile_id, "personal", True, "be brief"),
        (work.id, "work (2)", False, ""),
    ]
    joined = await store.get_mem0_memory_reference(ann.user.id, fact.id)
    assert (joined.namespace, joined.text) == (ann.namespace, Sealed("sealed anew", "k9"))
    moved = MemoryNamespace(ann.user.id, work.id)
    assert [record.id for record in await store.get_mem0_memory_references(moved)] == [job.id]
    assert await store.get_mem0_memory_references(web.namespace) == []
    (authored,) = await store.get_mem0_memory_references(space)
    assert (authored.author_id, authored.generation) == (ann.user.id, in_room.generation + 1)

    session_after = await store.get_chat_session(ann.user.id, web.session.id)
    assert session_after.memory_profile_id == ann.namespace.profile_id
    (message,) = await store.get_session_messages(ann.user.id, web.session.id)
    assert message == replace(said, author_id=ann.user.id, namespace=ann.namespace)
    stamp = (await store.get_turn(ann.user.id, row.id)).stamp
    assert (stamp.author_id, stamp.owner_id) == (ann.user.id, ann.user.id)
    assert (stamp.recall, stamp.learn) == ((ann.namespace,), ann.namespace)
    assert stamp.profile_id == ann.namespace.profile_id
    assert (await store.get_turn(ann.user.id, room_row.id)).stamp.recall == (space, ann.namespace)

    member = await store.get_member(room.id, ann.user.id)
    assert (member.mode, member.profile_id, member.version) == (
        PrivacyMode.INCOGNITO,
        ann.namespace.profile_id,
        2,
    )
    brought = await store.get_member(web.chat.id, ann.user.id)
    assert (brought.profile_id, brought.version) == (ann.namespace.profile_id, 2)
    assert [share.namespace for share in await store.get_shares(room.id)] == [ann.namespace]
    assert [share.namespace for share in await store.get_shares(web.chat.id)] == [moved]
    assert await store.get_usage(ann.user.id, cast.now.date()) == Usage(2, 20, 10)
    assert await store.take_pending(ann.user.id, room.id, "t", cast.now) is None
    assert await store.take_link_code(ann.user.id, cast.now) is None
    assert (await store.get_namespace_state(ann.namespace)).generation > target_before.generation
    assert (await store.get_namespace_state(web.namespace)).erase_generation == 1
    assert len(await store.claim_turn(web.chat.id, Lane.MAIN, "w", cast.lease, cast.now)) == 1


async def test_a_merge_that_is_out_of_date_writes_nothing(store: Store, cast: Cast) -> None:
    ann, web = await cast.person("Ann"), await cast.person("Web")
    old = await cast.remembered(web.namespace)
    batch = await batch_for(store, cast, web, ann)
    await cast.remembered(web.namespace)
    with pytest.raises(StaleMember):
        await store.merge_users(batch)
    batch = await batch_for(store, cast, web, ann)
    work = await store.create_memory_profile(web.user.id, "work")
    with pytest.raises(StaleMember):
        await store.merge_users(batch)
    with pytest.raises(NameTaken):
        await store.merge_users(await batch_for(store, cast, web, ann, work="PERSONAL"))
    current = await batch_for(store, cast, web, ann)
    for wrong in (
        replace(current, source=UserId(new_id())),
        replace(current, target=UserId(new_id())),
        replace(current, default_profile=work.id),
        replace(current, default_profile=ProfileId(new_id())),
        replace(current, records=(old,)),
    ):
        with pytest.raises(NotFound):
            await store.merge_users(wrong)
    assert len(await store.get_mem0_memory_references(web.namespace)) == 2
    assert [item.id for item in await store.get_identities(web.user.id)] == [web.identity]


async def test_the_one_address_that_is_known_stays(store: Store, cast: Cast) -> None:
    ann, web = await cast.person("Ann"), await cast.person("Web")
    registered = await store.create_user("ann@example.org")
    profile = await store.get_default_memory_profile(registered.id)
    source = Person(registered, web.identity, web.chat, web.session, profile.namespace)
    await store.merge_users(await batch_for(store, cast, source, ann))
    found = await store.get_user_by_email("ann@example.org")
    assert found is not None
    assert found.id == ann.user.id


async def test_work_under_way_for_a_merged_person_writes_nothing(store: Store, cast: Cast) -> None:
    ann, web = await cast.person("Ann"), await cast.person("Web")
    await store.merge_users(await batch_for(store, cast, web, ann))
    with pytest.raises(NotFound):
        await cast.remembered(web.namespace)
