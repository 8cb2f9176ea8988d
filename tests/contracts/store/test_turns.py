from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.batches import AcceptBatch, QueueState, RecordBatch
from core.errors import Conflict, NotFound, StaleMember, TurnRunning
from core.messages import InboxRow, OutboxRow, ReplyKind
from core.ports import Store
from core.sealing import Sealed
from core.types import (
    ChatSession,
    ConversationId,
    Lane,
    MemoryNamespace,
    OutboxId,
    OutboxState,
    PrivacyMode,
    SessionId,
    TurnId,
    TurnState,
    Usage,
    UserId,
    new_id,
)
from tests.contracts.store.cast import LEASE, Cast, Person


async def claim(cast: Cast, person: Person, owner: str = "w1", lane: Lane = Lane.MAIN) -> tuple[InboxRow, ...]:
    return await cast.store.claim_turn(person.chat.id, lane, owner, cast.lease, cast.now)


async def test_an_accepted_row_comes_back_as_it_was_stamped(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = cast.row(ann, is_command=True, mergeable=False, note="note", content=None, lane=Lane.EXPRESS)
    stored = await store.accept(AcceptBatch(row=row))
    assert stored == replace(row, seq=1)
    assert await store.get_turn(ann.user.id, row.id) == stored
    assert await store.find_turn_by_event(row.event_key) == stored
    assert await store.has_event(row.event_key)
    assert not await store.has_event("unknown")
    assert await store.find_turn_by_event("unknown") is None


async def test_accepting_writes_all_that_belongs_to_it(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    member = await store.get_member(ann.chat.id, ann.user.id)
    opened = ChatSession(
        SessionId(new_id()),
        ann.user.id,
        ann.chat.id,
        ann.namespace.profile_id,
        PrivacyMode.INCOGNITO,
        cast.now,
        cast.now,
    )
    row = cast.row(ann)
    row = replace(row, stamp=replace(row.stamp, session_id=opened.id))
    ready = replace(OutboxRow.of(row, ReplyKind.COMMAND, cast.now), content=Sealed("ready", "k"))
    await store.accept(
        AcceptBatch(
            row=row,
            member=replace(member, mode=PrivacyMode.INCOGNITO),
            close_sessions=(ann.session.id,),
            open_session=opened,
            outbox=ready,
            mode_floor=PrivacyMode.PAUSE_MEMORIES,
            cursor="c-7",
        )
    )
    assert (await store.get_member(ann.chat.id, ann.user.id)).version == 1
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).closed_at == cast.now
    assert await store.get_active_session(ann.chat.id, ann.user.id) == opened
    assert await store.get_outbox(row.id) == ready
    chat = await store.get_conversation(ann.chat.id)
    assert (chat.mode_floor, chat.cursor) == (PrivacyMode.PAUSE_MEMORIES, "c-7")
    await store.accept(AcceptBatch(row=cast.row(ann)))
    chat = await store.get_conversation(ann.chat.id)
    assert (chat.mode_floor, chat.cursor) == (PrivacyMode.PAUSE_MEMORIES, "c-7")


async def test_a_known_event_writes_nothing(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    member = await store.get_member(ann.chat.id, ann.user.id)
    again = AcceptBatch(row=cast.row(ann, event_key=row.event_key), member=replace(member, version=99), cursor="moved")
    assert await store.accept(again) is None
    assert await store.get_member(ann.chat.id, ann.user.id) == member
    assert (await store.get_conversation(ann.chat.id)).cursor == ""
    assert await claim(cast, ann) == (
        replace(row, state=TurnState.RUNNING, attempts=1, lease_owner="w1", lease_until=cast.lease),
    )


async def test_of_parallel_deliveries_one_is_accepted(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    key = new_id()
    batches = [AcceptBatch(row=cast.row(ann, event_key=key)) for _ in range(32)]
    accepted = await asyncio.gather(*(store.accept(batch) for batch in batches))
    assert sum(row is not None for row in accepted) == 1
    assert len(await claim(cast, ann)) == 1


async def test_parallel_messages_are_numbered_without_gaps(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    accepted = await asyncio.gather(*(cast.accepted(ann) for _ in range(64)))
    assert sorted(row.seq for row in accepted) == list(range(1, 65))


async def test_an_accept_that_cannot_be_whole_is_not_at_all(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    member = await store.get_member(ann.chat.id, ann.user.id)
    row = cast.row(ann)
    lost = replace(row, stamp=replace(row.stamp, session_id=SessionId(new_id())))
    nowhere = replace(row, stamp=replace(row.stamp, conversation_id=ConversationId(new_id())))
    foreign = replace(ann.session, id=SessionId(new_id()), memory_profile_id=eve.namespace.profile_id)
    for batch, error in (
        (AcceptBatch(row=row, member=replace(member, version=3), close_sessions=(ann.session.id,)), StaleMember),
        (AcceptBatch(row=lost, member=member), NotFound),
        (AcceptBatch(row=nowhere), NotFound),
        (AcceptBatch(row=row, open_session=foreign), NotFound),
        (AcceptBatch(row=row, open_session=ann.session), Conflict),
        (AcceptBatch(row=row, member=replace(member, profile_id=eve.namespace.profile_id)), NotFound),
    ):
        with pytest.raises(error):
            await store.accept(batch)
    assert not await store.has_event(row.event_key)
    assert await store.get_member(ann.chat.id, ann.user.id) == member
    assert await store.get_chat_session(ann.user.id, ann.session.id) == ann.session
    assert (await cast.accepted(ann)).seq == 1


async def test_a_welcome_comes_before_the_message_that_brings_it_and_once(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    welcome = cast.row(ann, mergeable=False)
    ready = replace(OutboxRow.of(welcome, ReplyKind.NOTICE, cast.now), content=Sealed("welcome", "k"))
    first = await store.accept(AcceptBatch(row=cast.row(ann), before=((welcome, ready),)))
    second_welcome = cast.row(ann, event_key=welcome.event_key)
    second = await store.accept(
        AcceptBatch(row=cast.row(ann), before=((second_welcome, replace(ready, turn_id=second_welcome.id)),))
    )
    assert first is not None
    assert second is not None
    assert (first.seq, second.seq) == (2, 3)
    assert [row.id for row in await claim(cast, ann)] == [welcome.id]
    assert await store.get_outbox(welcome.id) == ready


async def test_a_turn_takes_the_rows_that_belong_together(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    one, two = await cast.accepted(ann), await cast.accepted(ann)
    alone = await cast.accepted(ann, mergeable=False)
    three = await cast.accepted(ann)
    rows = await claim(cast, ann)
    assert [(row.id, row.merged_into, row.state, row.attempts) for row in rows] == [
        (one.id, None, TurnState.RUNNING, 1),
        (two.id, one.id, TurnState.RUNNING, 1),
    ]
    assert await store.get_turn(ann.user.id, two.id) == rows[1]
    assert await store.running_turn(ann.chat.id, Lane.MAIN) == one.id
    for expected in (alone, three):
        await store.end_turn(rows[0].id, "w1", TurnState.ANSWERED)
        rows = await claim(cast, ann)
        assert [row.id for row in rows] == [expected.id]


async def test_rows_are_merged_only_under_the_very_same_stamp(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    room, session, space = await cast.room()
    first = cast.row_in(ann, room, session, space)
    changes = (
        {"author_id": bob.user.id},
        {"mode": PrivacyMode.PAUSE_MEMORIES},
        {"learn": None},
        {"recall": (space, bob.namespace)},
    )
    rows = [
        first,
        *(replace(first, id=TurnId(new_id()), event_key=new_id(), stamp=replace(first.stamp, **c)) for c in changes),
    ]  # type: ignore[arg-type]  # fields
    for row in rows:
        await store.accept(AcceptBatch(row=row))
    for row in rows:
        claimed = await store.claim_turn(room.id, Lane.MAIN, "w1", cast.lease, cast.now)
        assert [item.id for item in claimed] == [row.id]
        await store.end_turn(row.id, "w1", TurnState.ANSWERED)


async def test_of_parallel_claims_exactly_one_wins(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    for _ in range(3):
        await cast.accepted(ann, mergeable=False)
    claims = await asyncio.gather(*(claim(cast, ann, f"w{n}") for n in range(16)))
    assert sum(bool(rows) for rows in claims) == 1
    assert await store.is_busy(ann.chat.id)


async def test_a_lease_blocks_others_until_it_ends(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row, later = await cast.accepted(ann), await cast.accepted(ann, mergeable=False)
    await claim(cast, ann, "w1")
    assert await claim(cast, ann, "w2") == ()
    cast.clock.advance(LEASE * 0.9)
    assert await store.renew_lease(row.id, "w1", cast.lease)
    assert not await store.renew_lease(row.id, "w2", cast.lease)
    cast.clock.advance(LEASE * 0.9)
    assert await claim(cast, ann, "w2") == ()
    assert await store.pending_lanes(cast.now) == []
    cast.clock.advance(LEASE)
    assert await store.pending_lanes(cast.now) == [(ann.chat.id, Lane.MAIN)]
    (taken,) = await claim(cast, ann, "w2")
    assert (taken.id, taken.attempts, taken.lease_owner) == (row.id, 2, "w2")
    assert not await store.renew_lease(row.id, "w1", cast.lease)
    with pytest.raises(StaleMember):
        await store.end_turn(row.id, "w1", TurnState.ANSWERED)
    await store.release_turn(row.id, "w1")
    assert (await store.get_turn(ann.user.id, row.id)).lease_owner == "w2"
    assert (await store.get_turn(ann.user.id, later.id)).state is TurnState.ACCEPTED


async def test_an_interrupted_turn_comes_back_whole_to_its_owner(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    one, two = await cast.accepted(ann), await cast.accepted(ann)
    await claim(cast, ann)
    await cast.accepted(ann)
    again = await claim(cast, ann)
    assert [(row.id, row.attempts) for row in again] == [(one.id, 2), (two.id, 2)]


async def test_a_released_turn_is_there_for_anybody_at_once(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    one, two = await cast.accepted(ann), await cast.accepted(ann)
    await claim(cast, ann, "w1")
    await store.release_turn(one.id, "w1")
    assert (await store.get_turn(ann.user.id, two.id)).merged_into is None
    assert await store.running_turn(ann.chat.id, Lane.MAIN) is None
    assert [row.id for row in await claim(cast, ann, "w2")] == [one.id, two.id]


async def test_the_express_lane_passes_a_running_turn(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    await cast.accepted(ann)
    express = await cast.accepted(ann, lane=Lane.EXPRESS, mergeable=False)
    await claim(cast, ann)
    assert [row.id for row in await claim(cast, ann, lane=Lane.EXPRESS)] == [express.id]
    await store.end_turn(express.id, "w1", TurnState.ANSWERED)
    assert await claim(cast, ann, lane=Lane.EXPRESS) == ()


async def test_waiting_lanes_are_listed_oldest_first(store: Store, cast: Cast) -> None:
    people = [await cast.person(name) for name in ("Ann", "Bob", "Cem")]
    assert not await store.is_busy(people[0].chat.id)
    for person in reversed(people):
        await cast.accepted(person)
        cast.clock.advance(1)
    await cast.accepted(people[0], lane=Lane.EXPRESS)
    lanes = [(person.chat.id, Lane.MAIN) for person in reversed(people)]
    assert await store.pending_lanes(cast.now) == [*lanes, (people[0].chat.id, Lane.EXPRESS)]
    await claim(cast, people[1])
    assert (people[1].chat.id, Lane.MAIN) not in await store.pending_lanes(cast.now)


async def test_recording_a_turn_is_one_write(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    await cast.accepted(ann)
    await cast.accepted(ann)
    head, merged = await claim(cast, ann)
    reply = await cast.reply_to(head)
    cast.clock.advance(2)
    await store.record_turn(
        RecordBatch(
            turn_id=head.id,
            rows=(head.id, merged.id),
            lease_owner="w1",
            state=TurnState.ANSWERED,
            at=cast.now,
            session_id=ann.session.id,
            messages=(cast.said(ann, head), cast.said(ann, head), cast.answer(ann, head)),
            memories=(cast.memory(ann.namespace), cast.memory(ann.namespace)),
            erase_generations=((ann.namespace, 0),),
            outbox=replace(reply, content=Sealed("answer", "k"), next_attempt_at=cast.lease),
            usage_of=ann.user.id,
            usage=Usage(1, 100, 20),
            count_messages=2,
            note="recall missed",
        )
    )
    for row in (head, merged):
        ended = await store.get_turn(ann.user.id, row.id)
        assert (ended.state, ended.lease_owner, ended.lease_until) == (TurnState.ANSWERED, "", None)
    assert (await store.get_turn(ann.user.id, head.id)).note == "recall missed"
    assert [m.seq for m in await store.get_session_messages(ann.user.id, ann.session.id)] == [1, 2, 3]
    session = await store.get_chat_session(ann.user.id, ann.session.id)
    assert (session.message_count, session.updated_at) == (5, cast.now)
    assert await store.count_mem0_memory_references(ann.namespace) == 2
    assert await store.get_usage(ann.user.id, cast.now.date()) == Usage(1, 100, 20)
    outbox = await store.get_outbox(head.id)
    assert outbox is not None
    assert (outbox.content, outbox.next_attempt_at, outbox.state) == (
        Sealed("answer", "k"),
        cast.lease,
        OutboxState.READY,
    )
    assert not await store.is_busy(ann.chat.id)


def record(head: InboxRow, cast: Cast, **changes: object) -> RecordBatch:
    batch = RecordBatch(
        turn_id=head.id,
        rows=(head.id,),
        lease_owner="w1",
        state=TurnState.ANSWERED,
        at=cast.now,
        session_id=head.stamp.session_id,
    )
    return replace(batch, **changes)  # type: ignore[arg-type]  # any field of the batch


async def test_who_lost_the_lease_records_nothing(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    head = await cast.claimed(ann)
    cast.clock.advance(LEASE * 2)
    await claim(cast, ann, "w2")
    with pytest.raises(StaleMember):
        await store.record_turn(record(head, cast, messages=(cast.said(ann, head),)))
    with pytest.raises(StaleMember):
        await store.record_turn(record(replace(head, id=TurnId(new_id())), cast))
    assert await store.get_session_messages(ann.user.id, ann.session.id) == []
    await store.record_turn(record(head, cast, lease_owner="w2"))
    with pytest.raises(StaleMember):
        await store.record_turn(record(head, cast, lease_owner="w2"))


async def test_a_record_that_cannot_be_whole_is_not_at_all(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    head = await cast.claimed(ann)
    said = cast.said(ann, head)
    for wrong in ({"session_id": SessionId(new_id())}, {"usage_of": UserId(new_id())}):
        with pytest.raises(NotFound):
            await store.record_turn(
                record(head, cast, messages=(said,), memories=(cast.memory(ann.namespace),), **wrong)
            )
    assert (await store.get_turn(ann.user.id, head.id)).state is TurnState.RUNNING
    assert await store.get_session_messages(ann.user.id, ann.session.id) == []
    assert await store.count_mem0_memory_references(ann.namespace) == 0
    await store.record_turn(record(head, cast, messages=(said,)))


async def test_a_record_brings_no_erased_memory_back(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    work = await store.create_memory_profile(ann.user.id, "work")
    gone = await store.create_memory_profile(ann.user.id, "gone")
    head = await cast.claimed(ann)
    await store.erase_namespace(ann.namespace)
    await store.delete_memory_profile(ann.user.id, gone.id)
    memories = tuple(cast.memory(namespace) for namespace in (ann.namespace, work.namespace, gone.namespace))
    generations: tuple[tuple[MemoryNamespace, int], ...] = ((ann.namespace, 0), (work.namespace, 0))
    said = cast.said(ann, head)
    await store.record_turn(record(head, cast, messages=(said,), memories=memories, erase_generations=generations))
    assert await store.count_mem0_memory_references(ann.namespace) == 0
    assert await store.count_mem0_memory_references(work.namespace) == 1
    assert len(await store.get_session_messages(ann.user.id, ann.session.id)) == 1


async def test_a_ready_reply_keeps_its_content(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = cast.row(ann)
    ready = replace(OutboxRow.of(row, ReplyKind.COMMAND, cast.now), content=Sealed("ready", "k"))
    await store.accept(AcceptBatch(row=row, outbox=ready))
    (head,) = await claim(cast, ann)
    sending = replace(ready, state=OutboxState.SENDING, attempts=1, message_ids=("1",), next_attempt_at=cast.lease)
    await store.record_turn(record(head, cast, outbox=sending))
    assert await store.get_outbox(head.id) == sending


async def test_a_reply_that_was_not_opened_is_recorded_with_its_turn(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    head = await cast.claimed(ann)
    reply = replace(OutboxRow.of(head, ReplyKind.ANSWER, cast.now), content=Sealed("a", "k"))
    sending = replace(reply, state=OutboxState.SENDING, attempts=1, next_attempt_at=cast.lease)
    await store.record_turn(record(head, cast, outbox=sending))
    assert await store.get_outbox(head.id) == sending
    assert await store.open_outbox(reply) == sending


async def test_a_reopened_turn_starts_as_if_never_answered(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    await cast.accepted(ann)
    await cast.accepted(ann)
    head, merged = await claim(cast, ann)
    await cast.reply_to(head)
    with pytest.raises(TurnRunning):
        await store.reopen_turn(ann.user.id, head.id)
    messages = (cast.said(ann, head), cast.answer(ann, head))
    await store.record_turn(record(head, cast, messages=messages, state=TurnState.FAILED, note="model"))
    assert await store.last_turn(ann.chat.id, ann.user.id, states=[TurnState.FAILED]) == await store.get_turn(
        ann.user.id, head.id
    )
    with pytest.raises(NotFound):
        await store.reopen_turn(eve.user.id, head.id)

    await store.reopen_turn(ann.user.id, merged.id)

    assert await store.get_outbox(head.id) is None
    assert await store.get_turn_messages(ann.user.id, head.id) == []
    assert (await store.get_chat_session(ann.user.id, ann.session.id)).message_count == 0
    rows = await claim(cast, ann, "w2")
    assert [(row.id, row.attempts, row.note) for row in rows] == [(head.id, 1, ""), (merged.id, 1, "")]


async def test_the_last_turn_is_the_authors_newest_talk(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    talk = await cast.claimed(ann)
    await store.end_turn(talk.id, "w1", TurnState.CANCELLED, "stopped")
    command = await cast.claimed(ann, is_command=True, mergeable=False)
    await store.end_turn(command.id, "w1", TurnState.CANCELLED)
    found = await store.last_turn(ann.chat.id, ann.user.id, states=[TurnState.CANCELLED, TurnState.FAILED])
    assert found is not None
    assert (found.id, found.note) == (talk.id, "stopped")
    assert await store.last_turn(ann.chat.id, ann.user.id, states=[TurnState.ANSWERED]) is None
    assert await store.last_turn(ann.chat.id, bob.user.id, states=list(TurnState)) is None


async def test_edits_and_deletes_reach_a_turn_before_it_starts(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    assert await store.replace_turn_content(row.event_key, Sealed("edited", "k2"))
    assert (await store.get_turn(ann.user.id, row.id)).content == Sealed("edited", "k2")
    await claim(cast, ann)
    assert not await store.replace_turn_content(row.event_key, Sealed("late", "k2"))
    assert not await store.cancel_accepted(row.event_key)
    other = await cast.accepted(ann)
    assert await store.cancel_accepted(other.event_key)
    assert (await store.get_turn(ann.user.id, other.id)).state is TurnState.CANCELLED
    assert not await store.cancel_accepted("unknown")
    assert not await store.replace_turn_content("unknown", Sealed("x"))


async def test_a_turn_is_its_authors_and_its_sessions_owners(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    room, session, space = await cast.room()
    row = await store.accept(AcceptBatch(row=cast.row_in(ann, room, session, space)))
    assert row is not None
    assert await store.get_turn(ann.user.id, row.id) == row
    assert await store.get_turn(session.user_id, row.id) == row
    with pytest.raises(NotFound):
        await store.get_turn(eve.user.id, row.id)


async def test_there_is_one_reply_to_a_turn(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    opened = await asyncio.gather(*(cast.reply_to(row) for _ in range(8)))
    assert len({reply.id for reply in opened}) == 1
    assert await store.get_outbox(row.id) == opened[0]
    with pytest.raises(NotFound):
        await cast.reply_to(replace(row, id=TurnId(new_id())))
    with pytest.raises(NotFound):
        await store.mark_outbox(OutboxId(new_id()), OutboxState.SENT)
    assert await store.get_outbox(TurnId(new_id())) is None


async def test_a_reply_counts_its_tries_and_forgets_its_text_once_sent(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    head = await cast.claimed(ann)
    reply = await cast.reply_to(head)
    await store.record_turn(
        record(head, cast, outbox=replace(reply, content=Sealed("a", "k"), next_attempt_at=cast.lease))
    )
    cast.clock.advance(1)
    await store.mark_outbox(reply.id, OutboxState.SENDING, message_ids=("1",))
    await store.mark_outbox(reply.id, OutboxState.SENDING)
    sending = await store.get_outbox(head.id)
    assert sending is not None
    assert (sending.attempts, sending.message_ids, sending.updated_at) == (2, ("1",), cast.now)
    assert sending.content == Sealed("a", "k")
    held = cast.lease + timedelta(seconds=5)
    await store.mark_outbox(reply.id, OutboxState.SENDING, next_attempt_at=held)
    going_on = await store.get_outbox(head.id)
    assert going_on is not None
    assert (going_on.attempts, going_on.next_attempt_at) == (2, held)
    await store.mark_outbox(reply.id, OutboxState.SENT, message_ids=("1", "2"))
    sent = await store.get_outbox(head.id)
    assert sent is not None
    assert (sent.state, sent.attempts, sent.message_ids, sent.content) == (OutboxState.SENT, 2, ("1", "2"), None)


async def test_unsent_replies_of_ended_turns_are_handed_out_once(store: Store, cast: Cast) -> None:
    people = [await cast.person(name) for name in ("Ann", "Bob", "Cem", "Dee")]
    replies = []
    for person in people:
        cast.clock.advance(1)
        head = await cast.claimed(person)
        reply = await cast.reply_to(head)
        replies.append(reply)
        if person is not people[3]:
            await store.record_turn(record(head, cast, outbox=replace(reply, next_attempt_at=cast.lease)))
    await store.mark_outbox(replies[1].id, OutboxState.FAILED)
    assert await store.unsent_outbox(cast.now, cast.lease) == []
    cast.clock.advance(LEASE * 2)
    due = await store.unsent_outbox(cast.now, cast.lease)
    assert [(row.id, row.next_attempt_at) for row in due] == [
        (replies[0].id, cast.lease),
        (replies[2].id, cast.lease),
    ]
    assert await store.unsent_outbox(cast.now, cast.lease) == []
    await store.mark_outbox(replies[0].id, OutboxState.READY, next_attempt_at=cast.now)
    assert [row.id for row in await store.unsent_outbox(cast.now, cast.lease)] == [replies[0].id]
    await store.mark_outbox(replies[0].id, OutboxState.SENDING)
    assert await store.unsent_outbox(cast.now, cast.lease) == [], "what is being sent stays held"


async def test_the_newest_turn_is_the_last_of_the_main_lane(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    assert await store.newest_turn(ann.chat.id) is None
    await cast.accepted(ann)
    newest = await cast.accepted(ann, is_command=True)
    await cast.accepted(ann, lane=Lane.EXPRESS)
    assert await store.newest_turn(ann.chat.id) == newest


async def test_a_row_is_not_accepted_twice_under_another_event(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = await cast.accepted(ann)
    other = replace(row, event_key=new_id())
    with pytest.raises(Conflict):
        await store.accept(AcceptBatch(row=other))
    assert not await store.has_event(other.event_key)


async def test_of_writes_that_come_together_each_gets_its_own_answer(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    kept = [cast.remembered(ann.namespace) for _ in range(10)]
    refused = [store.delete_chat_session(eve.user.id, ann.session.id) for _ in range(3)]
    results = await asyncio.gather(*kept[:5], *refused, *kept[5:], return_exceptions=True)
    assert sum(isinstance(result, NotFound) for result in results) == 3
    assert await store.count_mem0_memory_references(ann.namespace) == 10
    assert (await store.get_namespace_state(ann.namespace)).generation == 10


async def test_a_caller_who_gives_up_disturbs_nobody(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    tasks = [asyncio.create_task(cast.remembered(ann.namespace)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    done = [result for result in results if not isinstance(result, BaseException)]
    assert len(done) >= 5
    stored = await store.get_mem0_memory_references(ann.namespace)
    assert {record.id for record in done} <= {record.id for record in stored}


async def test_failed_turns_are_listed_for_the_operator_until_they_are_taken_up_again(store: Store, cast: Cast) -> None:
    ann, ben = await cast.person("Ann"), await cast.person("Ben")
    answered, first, second = await cast.claimed(ann), await cast.claimed(ben), await cast.claimed(await cast.person())
    for row, state in ((answered, TurnState.ANSWERED), (first, TurnState.FAILED), (second, TurnState.FAILED)):
        await store.end_turn(row.id, row.lease_owner, state)
    assert [row.id for row in await store.failed_turns(9)] == [second.id, first.id]
    assert [row.id for row in await store.failed_turns(1)] == [second.id]
    await store.reopen_turn(ben.user.id, first.id)
    assert [row.id for row in await store.failed_turns(9)] == [second.id]


async def test_the_queue_is_counted(store: Store, cast: Cast) -> None:
    assert await store.queue_state() == QueueState(0, 0, 0)
    ann, bob = await cast.person(), await cast.person()
    first, *others = (cast.row(person, mergeable=False) for person in (ann, ann, bob, bob))
    for row in (first, *others):
        await store.accept(AcceptBatch(row=row))
    assert await store.queue_state() == QueueState(4, 0, 0, first.accepted_at)
    (mine,) = await claim(cast, ann)
    (theirs,) = await claim(cast, bob)
    await store.end_turn(theirs.id, "w1", TurnState.FAILED)
    state = await store.queue_state()
    assert (state.waiting, state.running, state.failed) == (2, 1, 1)
    await store.end_turn(mine.id, "w1", TurnState.ANSWERED)
    assert (await store.queue_state()).running == 0
