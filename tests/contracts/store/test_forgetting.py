"""Words that are to go: of turns, of replies that quoted a memory, of edits, and by age."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from core.batches import AcceptBatch, LearnBatch, ProfilePatch, SessionPatch
from core.errors import ErasedMeanwhile
from core.ports import Store
from core.sealing import Sealed
from core.types import Lane, MemoryId, PrivacyMode, TurnId, TurnState, new_id
from tests.contracts.store.cast import Cast, Person


async def ended(store: Store, cast: Cast, person: Person) -> TurnId:
    """A turn that was answered, with its two messages."""
    row = await cast.claimed(person)
    await cast.reply_to(row)
    await store.create_chat_message(person.user.id, cast.said(person, row))
    await store.create_chat_message(person.user.id, cast.answer(person, row))
    await store.end_turn(row.id, "w1", TurnState.ANSWERED)
    return row.id


async def test_a_forgotten_turn_leaves_neither_words_nor_summary(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    gone, kept = await ended(store, cast, ann), await ended(store, cast, ann)
    await store.update_chat_session(ann.user.id, ann.session.id, SessionPatch(summary=Sealed("of all", "k")))
    before = await store.get_namespace_state(ann.namespace)
    assert await store.forget_turns(ann.user.id, [gone, TurnId(new_id())]) == {"messages": 2, "turns": 1}
    left = await store.get_session_messages(ann.user.id, ann.session.id)
    assert {message.turn_id for message in left} == {kept}
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).summary is None
    assert await store.get_outbox(gone) is None
    assert (await store.get_turn(ann.user.id, kept)).id == kept
    with pytest.raises(ErasedMeanwhile):
        await store.apply_learning(LearnBatch(ann.namespace, 0, read_at=before.generation))
    now = await store.get_namespace_state(ann.namespace)
    await store.apply_learning(LearnBatch(ann.namespace, 0, read_at=now.generation))


async def test_nobody_forgets_the_words_of_others(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    turn = await ended(store, cast, ann)
    assert await store.forget_turns(eve.user.id, [turn]) == {"messages": 0, "turns": 0}
    assert not await store.change_message(eve.user.id, turn, Sealed("evil", None))
    assert len(await store.get_turn_messages(ann.user.id, turn)) == 2


async def test_a_waiting_turn_is_not_forgotten_with_its_neighbours(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    assert await store.forget_turns(ann.user.id, [row.id]) == {"messages": 0, "turns": 0}
    assert await store.is_busy(ann.chat.id)


async def test_an_author_and_the_space_may_both_forget_what_was_said_in_a_room(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    room, session, space = await cast.room()
    for who in (ann.user.id, session.user_id):
        row = await store.accept(AcceptBatch(row=cast.row_in(ann, room, session, space)))
        assert row is not None
        await store.create_chat_message(session.user_id, cast.said(ann, row))
        await store.create_chat_message(session.user_id, cast.answer(ann, row))
        await store.claim_turn(room.id, Lane.MAIN, "w1", cast.lease, cast.now)
        await store.end_turn(row.id, "w1", TurnState.ANSWERED)
        assert await store.forget_turns(who, [row.id]) == {"messages": 2, "turns": 1}


async def test_replies_that_quoted_a_forgotten_memory_go_wherever_they_stand(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    memory = MemoryId(new_id())
    row = await cast.claimed(bob)
    question, before, quoting, after = (
        cast.said(bob, row),
        cast.answer(bob, row, metadata={"memories_used": [new_id()]}),
        cast.answer(bob, row, metadata={"memories_used": [memory]}),
        cast.answer(bob, row),
    )
    for message in (before, quoting, question, after):
        await store.create_chat_message(bob.user.id, message)
    assert (await store.forget_turns(ann.user.id, [], [memory]))["messages"] == 2
    left = [message.id for message in await store.get_session_messages(bob.user.id, bob.session.id)]
    assert left == [before.id, question.id]


async def test_replies_go_by_the_turn_that_they_quoted_when_learning_gave_the_memory_another_id(
    store: Store, cast: Cast
) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    told, row = TurnId(new_id()), await cast.claimed(bob)
    quoting = cast.answer(bob, row, metadata={"memories_used": [new_id()], "turns_used": [new_id(), told]})
    other = cast.answer(bob, row, metadata={"memories_used": [], "turns_used": [new_id()]})
    for message in (other, quoting):
        await store.create_chat_message(bob.user.id, message)
    assert (await store.forget_turns(ann.user.id, [], [MemoryId(new_id())]))["messages"] == 0
    assert (await store.forget_turns(ann.user.id, [], [told]))["messages"] == 1
    left = [message.id for message in await store.get_session_messages(bob.user.id, bob.session.id)]
    assert left == [other.id]


async def test_an_edited_message_is_learned_anew(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    turn = await ended(store, cast, ann)
    await store.mark_learned(ann.namespace, [turn])
    await store.update_chat_session(ann.user.id, ann.session.id, SessionPatch(summary=Sealed("of all", "k")))
    before = await store.get_namespace_state(ann.namespace)
    new = Sealed("new words", "k9")
    assert await store.change_message(ann.user.id, turn, new, rows={turn: new})
    assert (await store.get_turn(ann.user.id, turn)).content == new
    said, answer = await store.get_turn_messages(ann.user.id, turn)
    assert (said.content, said.learned) == (Sealed("new words", "k9"), False)
    assert answer.content != said.content
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).summary is None
    with pytest.raises(ErasedMeanwhile):
        await store.apply_learning(LearnBatch(ann.namespace, 0, read_at=before.generation))


async def test_what_is_too_old_goes_and_a_profile_may_say_what_that_is(
    store: Store, cast: Cast, clock: ManualClock
) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    patch = ProfilePatch(retention_days=30)
    await store.update_memory_profile(bob.user.id, bob.namespace.profile_id, patch)
    for person in (ann, bob):
        await ended(store, cast, person)
        await cast.remembered(person.namespace)
    clock.advance(timedelta(days=8))
    await ended(store, cast, ann)
    nothing = await store.expire(cast.now, None, None)
    assert nothing == {"messages": 0, "memories": 0}
    week = timedelta(days=7)
    assert await store.expire(cast.now, week, week) == {"messages": 2, "memories": 1}
    assert len(await store.get_session_messages(ann.user.id, ann.session.id)) == 2
    assert await store.count_mem0_memory_references(ann.namespace) == 0
    assert await store.count_mem0_memory_references(bob.namespace) == 1
    clock.advance(timedelta(days=30))
    assert await store.expire(cast.now, None, None) == {"messages": 2, "memories": 1}
    assert (await store.get_memory_changes(bob.namespace, 1)).complete


async def test_the_floor_of_a_thread_is_the_rooms(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    room, session, space = await cast.room()
    thread = await store.resolve_conversation(replace(room.place, thread_id="t"), room.kind)
    row = cast.row_in(ann, thread, session, space)
    await store.accept(AcceptBatch(row=row, mode_floor=PrivacyMode.PAUSE_MEMORIES, cursor="7"))
    assert (await store.get_conversation(room.id)).mode_floor is PrivacyMode.PAUSE_MEMORIES
    assert (await store.get_conversation(room.id)).cursor == ""
    assert (await store.get_conversation(thread.id)).cursor == "7"
