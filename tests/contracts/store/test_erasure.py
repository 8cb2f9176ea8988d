from __future__ import annotations

from dataclasses import replace

import pytest

from core.batches import AcceptBatch, LinkOffer, SessionPatch
from core.errors import NotFound, StaleMember
from core.ports import Store
from core.sealing import Sealed
from core.types import Lane, NamespaceState, Usage, UserId, new_id
from tests.contracts.store.cast import CONSOLE, Cast


async def test_a_person_leaves_nothing_behind(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    room, session, space = await cast.room()
    private = await cast.accepted(ann)
    await cast.reply_to(private)
    await store.create_chat_message(ann.user.id, cast.said(ann, private))
    await store.create_chat_message(ann.user.id, cast.answer(ann, private))
    await cast.remembered(ann.namespace)
    for person in (ann, bob):
        row = await store.accept(AcceptBatch(row=cast.row_in(person, room, session, space)))
        assert row is not None
        await cast.reply_to(row)
        await store.create_chat_message(session.user_id, cast.said(person, row))
        await store.create_chat_message(session.user_id, cast.answer(person, row))
        await cast.remembered(space, author_id=person.user.id)
        member = await store.get_member(room.id, person.user.id)
        await store.save_member(member)
        await store.share_profile(room.id, person.namespace)
        await store.add_usage(person.user.id, cast.now.date(), Usage(1, 2, 3))
        await store.put_pending(person.user.id, room.id, "t", {}, cast.lease)
        await store.put_link_code(LinkOffer(person.user.id, person.chat.id), person.user.id, cast.lease)
        await store.count_link_failure(person.identity, cast.now, cast.now)
    await store.update_chat_session(session.user_id, session.id, SessionPatch(summary=Sealed("of all", "k")))
    bobs_messages = (await store.get_session_messages(session.user_id, session.id))[2:]

    receipt = await store.erase_user(ann.user.id, cast.now)

    assert receipt.verified
    assert await store.get_receipt(receipt.id) == receipt
    assert (receipt.user_id, receipt.created_at) == (ann.user.id, cast.now)
    assert receipt.removed == {
        "memories": 2,
        "messages": 4,
        "sessions": 1,
        "turns": 2,
        "replies": 2,
        "profiles": 1,
        "members": 1,
        "shares": 1,
        "usage": 1,
        "pending": 1,
        "identities": 1,
        "conversations": 1,
        "users": 1,
    }
    with pytest.raises(NotFound):
        await store.get_user_by_id(ann.user.id)
    with pytest.raises(NotFound):
        await store.get_turn(ann.user.id, private.id)
    assert await store.find_conversation(ann.chat.place) is None
    assert await store.take_link_code(ann.user.id, cast.now) is None
    assert await store.get_link_failures(ann.identity, cast.now) == 0
    assert await store.get_namespace_state(ann.namespace) == NamespaceState()
    assert await store.has_event(private.event_key)
    assert await store.find_turn_by_event(private.event_key) is None
    assert await store.accept(AcceptBatch(row=cast.row(bob, event_key=private.event_key))) is None

    assert await store.get_session_messages(session.user_id, session.id) == bobs_messages
    kept = await store.get_chat_session(session.user_id, session.id)
    assert (kept.message_count, kept.summary) == (2, None)
    (memory,) = await store.get_mem0_memory_references(space)
    assert memory.author_id == bob.user.id
    assert (await store.get_memory_changes(space, 2)).complete
    assert [share.namespace for share in await store.get_shares(room.id)] == [bob.namespace]
    assert await store.get_usage(bob.user.id, cast.now.date()) == Usage(1, 2, 3)
    assert await store.take_link_code(bob.user.id, cast.now) is not None
    assert await store.get_link_failures(bob.identity, cast.now) == 1
    assert (await store.get_member(room.id, bob.user.id)).version == 1


async def test_erasing_again_or_erasing_a_space_finds_nobody(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    room, _, _ = await cast.room()
    assert room.space_id is not None
    await store.erase_user(ann.user.id, cast.now)
    for nobody in (ann.user.id, UserId(new_id()), room.space_id):
        with pytest.raises(NotFound):
            await store.erase_user(nobody, cast.now)
    assert await store.find_conversation(room.place) == room


async def test_work_under_way_for_an_erased_person_writes_nothing(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    head = await cast.claimed(ann)
    await store.erase_user(ann.user.id, cast.now)
    assert not await store.renew_lease(head.id, "w1", cast.lease)
    await store.release_turn(head.id, "w1")
    for late in (cast.reply_to(head), store.store_mem0_memory_reference(cast.memory(ann.namespace))):
        with pytest.raises(NotFound):
            await late
    with pytest.raises(StaleMember):
        await store.end_turn(head.id, "w1", head.state)


async def test_a_chat_that_somebody_else_uses_now_stays(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    row = cast.row(bob)
    await store.accept(AcceptBatch(row=replace(row, stamp=replace(row.stamp, conversation_id=ann.chat.id))))
    receipt = await store.erase_user(ann.user.id, cast.now)
    assert receipt.removed["conversations"] == 0
    rows = await store.claim_turn(ann.chat.id, Lane.MAIN, "w", cast.lease, cast.now)
    assert [item.id for item in rows] == [row.id]


async def test_a_person_who_comes_back_is_a_new_one(store: Store, cast: Cast) -> None:
    first, _ = await store.resolve_identity(CONSOLE, "", "U1", "Ann")
    await store.erase_user(first.user_id, cast.now)
    second, created = await store.resolve_identity(CONSOLE, "", "U1", "Ann")
    assert created
    assert second.user_id != first.user_id
