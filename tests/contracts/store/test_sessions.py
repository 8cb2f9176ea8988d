from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from core.batches import SessionPatch
from core.errors import Conflict, NotFound
from core.ports import Store
from core.sealing import Sealed
from core.types import ConversationId, PrivacyMode, ProfileId, SessionId, TurnId, TurnState, UserId, new_id
from tests.contracts.store.cast import Cast


async def test_a_session_is_kept_as_it_was_opened(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    made = await store.create_chat_session(
        ann.user.id, None, PrivacyMode.INCOGNITO, session_id=SessionId(new_id()), conversation_id=None
    )
    assert await store.get_chat_session(ann.user.id, made.id) == made
    assert (made.privacy_mode, made.memory_profile_id, made.message_count) == (PrivacyMode.INCOGNITO, None, 0)
    with pytest.raises(Conflict):
        await store.create_chat_session(ann.user.id, None, PrivacyMode.NORMAL, session_id=made.id)


async def test_the_active_session_is_the_newest_open_one(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    second = await store.create_chat_session(ann.user.id, None, PrivacyMode.NORMAL, conversation_id=ann.chat.id)
    assert await store.get_active_session(ann.chat.id, ann.user.id) == second
    await store.update_chat_session(ann.user.id, second.id, SessionPatch(closed_at=cast.now))
    assert await store.get_active_session(ann.chat.id, ann.user.id) == ann.session
    eve = await cast.person("Eve")
    assert await store.get_active_session(ann.chat.id, eve.user.id) is None


async def test_use_moves_a_session_up_and_a_summary_does_not(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    newer = await store.create_chat_session(ann.user.id, None, PrivacyMode.NORMAL)
    cast.clock.advance(10)
    patch = SessionPatch(summary=Sealed("sum", "k"), summary_until_seq=4)
    summed = await store.update_chat_session(ann.user.id, ann.session.id, patch)
    assert (summed.summary, summed.summary_until_seq, summed.updated_at) == (
        Sealed("sum", "k"),
        4,
        ann.session.updated_at,
    )
    assert [item.id for item in await store.get_user_sessions(ann.user.id)] == [newer.id, ann.session.id]
    profile = await store.create_memory_profile(ann.user.id, "work")
    used = await store.update_chat_session(ann.user.id, ann.session.id, SessionPatch(memory_profile_id=profile.id))
    assert used.updated_at == cast.now
    assert [item.id for item in await store.get_user_sessions(ann.user.id)] == [ann.session.id, newer.id]
    assert [item.id for item in await store.get_user_sessions(ann.user.id, profile_id=profile.id)] == [ann.session.id]


async def test_pages_of_sessions_neither_repeat_nor_skip(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    for _ in range(6):
        await store.create_chat_session(ann.user.id, None, PrivacyMode.NORMAL)
    everything = await store.get_user_sessions(ann.user.id)
    pages = [await store.get_user_sessions(ann.user.id, 2, offset) for offset in range(0, 8, 2)]
    assert [item for page in pages for item in page] == everything
    assert len({item.id for item in everything}) == 7


async def test_another_persons_session_cannot_be_touched(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    row = await cast.accepted(ann)
    kept = await store.create_chat_message(ann.user.id, cast.said(ann, row))
    before = await store.get_chat_session(ann.user.id, ann.session.id)
    for call in (
        store.get_chat_session(eve.user.id, ann.session.id),
        store.update_chat_session(eve.user.id, ann.session.id, SessionPatch(closed_at=cast.now)),
        store.delete_chat_session(eve.user.id, ann.session.id),
        store.create_chat_message(eve.user.id, cast.said(ann, row)),
        store.get_session_messages(eve.user.id, ann.session.id),
        store.get_recent_messages(eve.user.id, ann.session.id, 5),
        store.delete_session_messages(eve.user.id, ann.session.id),
        store.create_chat_session(eve.user.id, ann.namespace.profile_id, PrivacyMode.NORMAL),
        store.create_chat_session(eve.user.id, ProfileId(new_id()), PrivacyMode.NORMAL),
        store.create_chat_session(UserId(new_id()), None, PrivacyMode.NORMAL),
        store.create_chat_session(eve.user.id, None, PrivacyMode.NORMAL, conversation_id=ConversationId(new_id())),
        store.update_chat_session(
            eve.user.id, eve.session.id, SessionPatch(memory_profile_id=ann.namespace.profile_id)
        ),
    ):
        with pytest.raises(NotFound):
            await call
    assert await store.get_turn_messages(eve.user.id, row.id) == []
    assert await store.get_chat_session(ann.user.id, ann.session.id) == before
    assert await store.get_session_messages(ann.user.id, ann.session.id) == [kept]


async def test_messages_come_back_in_the_order_they_were_said(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    stored = [await store.create_chat_message(ann.user.id, cast.said(ann)) for _ in range(7)]
    assert [message.seq for message in stored] == [1, 2, 3, 4, 5, 6, 7]
    assert await store.get_session_messages(ann.user.id, ann.session.id) == stored
    assert await store.get_session_messages(ann.user.id, ann.session.id, 3, 2) == stored[2:5]
    assert await store.get_recent_messages(ann.user.id, ann.session.id, 3) == stored[4:]
    assert await store.get_recent_messages(ann.user.id, ann.session.id, 0) == []
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).message_count == 7
    with pytest.raises(Conflict):
        await store.create_chat_message(ann.user.id, stored[0])


async def test_parallel_messages_share_no_place(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    stored = await asyncio.gather(*(store.create_chat_message(ann.user.id, cast.said(ann)) for _ in range(64)))
    assert sorted(message.seq for message in stored) == list(range(1, 65))


async def test_deleting_messages_leaves_no_trace_of_them_in_the_session(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    turn = await cast.claimed(ann)
    await store.create_chat_message(ann.user.id, cast.said(ann, turn))
    await store.end_turn(turn.id, "w1", TurnState.ANSWERED)
    waiting = await cast.accepted(ann)
    patch = SessionPatch(summary=Sealed("quotes them", "k"), summary_until_seq=1)
    await store.update_chat_session(ann.user.id, ann.session.id, patch)

    assert await store.delete_session_messages(ann.user.id, ann.session.id) == 1

    session = await store.get_chat_session(ann.user.id, ann.session.id)
    assert (session.message_count, session.summary, session.summary_until_seq) == (0, None, 0)
    with pytest.raises(NotFound):
        await store.get_turn(ann.user.id, turn.id)
    assert (await store.get_turn(ann.user.id, waiting.id)).state is TurnState.ACCEPTED
    again = await store.create_chat_message(ann.user.id, cast.said(ann))
    assert again.seq == 2


async def test_deleting_a_session_takes_messages_turns_and_replies(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    await cast.reply_to(row)
    await store.create_chat_message(ann.user.id, cast.said(ann, row))
    await cast.remembered(ann.namespace)
    assert await store.delete_chat_session(ann.user.id, ann.session.id) == 1
    assert await store.get_outbox(row.id) is None
    assert await store.has_event(row.event_key)
    assert await store.count_mem0_memory_references(ann.namespace) == 1
    for call in (
        store.get_chat_session(ann.user.id, ann.session.id),
        store.get_turn(ann.user.id, row.id),
        store.delete_chat_session(ann.user.id, ann.session.id),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_turns_messages_are_for_its_author_and_the_sessions_owner(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    room, session, space = await cast.room()
    row = cast.row_in(ann, room, session, space)
    said = await store.create_chat_message(session.user_id, cast.said(ann, row))
    answer = await store.create_chat_message(session.user_id, cast.answer(ann, row))
    assert await store.get_turn_messages(ann.user.id, row.id) == [said, answer]
    assert await store.get_turn_messages(session.user_id, row.id) == [said, answer]
    assert await store.get_turn_messages(eve.user.id, row.id) == []
    assert await store.get_authored_messages(ann.user.id) == [said]
    assert await store.get_authored_messages(session.user_id) == []


async def test_learning_takes_what_was_said_in_normal_mode_once(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    rows = [cast.row(ann) for _ in range(3)]
    for row in rows:
        cast.clock.advance(1)
        await store.create_chat_message(ann.user.id, cast.said(ann, row))
        await store.create_chat_message(ann.user.id, cast.answer(ann, row))
    for unfit in ({"mode": PrivacyMode.PAUSE_MEMORIES}, {"namespace": None}, {"turn_id": None}, {"learned": True}):
        await store.create_chat_message(ann.user.id, replace(cast.said(ann), **unfit))  # type: ignore[arg-type]  # fields
    batch = await store.get_unlearned_messages(ann.namespace, 2)
    assert [message.turn_id for message in batch] == [rows[0].id, rows[0].id, rows[1].id, rows[1].id]
    await store.mark_learned(ann.namespace, [rows[0].id, rows[1].id, TurnId(new_id())])
    left = await store.get_unlearned_messages(ann.namespace, 10)
    assert [message.turn_id for message in left] == [rows[2].id, rows[2].id]
    eve = await cast.person("Eve")
    await store.mark_learned(eve.namespace, [rows[2].id])
    assert len(await store.get_unlearned_messages(ann.namespace, 10)) == 2


async def test_a_namespace_is_due_when_it_is_quiet_or_full(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    await store.create_chat_message(ann.user.id, cast.said(ann))
    cast.clock.advance(60)
    for _ in range(3):
        await store.create_chat_message(bob.user.id, cast.said(bob))
    assert await store.find_namespaces_to_learn(cast.now, 10) == [ann.namespace]
    assert await store.find_namespaces_to_learn(cast.now - timedelta(hours=1), 3) == [bob.namespace]
    assert await store.find_namespaces_to_learn(cast.now + timedelta(seconds=1), 10) == [ann.namespace, bob.namespace]
    await store.create_chat_message(ann.user.id, cast.said(ann))
    assert await store.find_namespaces_to_learn(cast.now, 10) == []


async def test_a_summary_is_kept_only_of_what_still_stands(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    said = [await store.create_chat_message(ann.user.id, cast.said(ann)) for _ in range(6)]
    keep = partial(store.keep_summary, ann.user.id, ann.session.id)
    assert await keep(Sealed("one", "k"), said[:2], after_seq=0)
    assert await keep(Sealed("two", "k"), said[2:4], after_seq=said[1].seq)
    summed = await store.get_chat_session(ann.user.id, ann.session.id)
    assert (summed.summary, summed.summary_until_seq) == (Sealed("two", "k"), said[3].seq)
    assert summed.updated_at == ann.session.updated_at

    assert not await keep(Sealed("late", "k"), said[2:4], after_seq=said[1].seq), "another one was quicker"
    assert not await keep(Sealed("gap", "k"), [said[2], said[4]], after_seq=said[3].seq)
    assert not await keep(Sealed("nothing", "k"), [], after_seq=said[3].seq)

    first = said[0].turn_id
    assert first is not None
    await store.forget_turns(ann.user.id, [first])
    assert not await keep(Sealed("stale", "k"), said[4:], after_seq=said[3].seq), "it tells of what was forgotten"
    assert not await keep(Sealed("stale", "k"), said, after_seq=0)
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).summary is None
    assert await keep(Sealed("anew", "k"), said[1:5], after_seq=0)


async def test_no_summary_of_words_that_were_changed_or_are_anothers(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    said = [await store.create_chat_message(ann.user.id, cast.said(ann)) for _ in range(2)]
    turn = said[1].turn_id
    assert turn is not None
    assert await store.change_message(ann.user.id, turn, Sealed("something else", "key-1"))
    assert not await store.keep_summary(ann.user.id, ann.session.id, Sealed("old", "k"), said, after_seq=0)
    with pytest.raises(NotFound):
        await store.keep_summary(eve.user.id, ann.session.id, Sealed("mine", "k"), said, after_seq=0)
