"""Against a real project, beside what it holds already: people are made here and erased again.

What the local stand-in for PostgREST answers is believed only as far as this has been run against the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from adapters.stores.supabase import SupabaseStore
from core.batches import AcceptBatch, LearnBatch, RecordBatch, UserPatch
from core.errors import AnotherRunner, ConfigurationError, Conflict, ErasedMeanwhile, NameTaken, NotFound, StaleMember
from core.types import ConversationKind, Lane, Place, PrivacyMode, Role, TurnState, Usage, new_id
from tests.contracts.store.cast import CONSOLE, Cast, Person
from tests.live.conftest import KEY, PUBLIC_KEY, URL

pytestmark = pytest.mark.live


@pytest.fixture
def cast(store: SupabaseStore, clock: ManualClock) -> Cast:
    return Cast(store, clock)


@pytest.fixture
async def ann(cast: Cast, store: SupabaseStore) -> AsyncIterator[Person]:
    person = await cast.person(f"live-{new_id()}")
    yield person
    receipt = await store.erase_user(person.user.id, cast.now)
    assert receipt.verified
    with pytest.raises(NotFound):
        await store.get_user_by_id(person.user.id)


async def test_a_message_is_accepted_answered_and_recorded_once(store: SupabaseStore, cast: Cast, ann: Person) -> None:
    row = cast.row(ann)
    assert await store.accept(AcceptBatch(row=row)) is not None
    assert await store.accept(AcceptBatch(row=row)) is None
    (claimed,) = await store.claim_turn(ann.chat.id, Lane.MAIN, "w1", cast.lease, cast.now)
    assert await store.claim_turn(ann.chat.id, Lane.MAIN, "w2", cast.lease, cast.now) == ()
    reply = await cast.reply_to(claimed)
    batch = RecordBatch(
        turn_id=claimed.id,
        rows=(claimed.id,),
        lease_owner="w1",
        state=TurnState.ANSWERED,
        at=cast.now,
        session_id=ann.session.id,
        messages=(cast.said(ann, claimed), cast.answer(ann, claimed)),
        memories=(cast.memory(ann.namespace),),
        outbox=reply,
        usage_of=ann.user.id,
        usage=Usage(1, 10, 20),
    )
    await store.record_turn(batch)
    with pytest.raises(StaleMember):
        await store.record_turn(batch)
    messages = await store.get_session_messages(ann.user.id, ann.session.id)
    assert [message.role for message in messages] == [Role.USER, Role.ASSISTANT]
    assert await store.count_mem0_memory_references(ann.namespace) == 1
    assert await store.get_usage(ann.user.id, cast.now.date()) == Usage(1, 10, 20)
    scene = await store.read_scene(
        CONSOLE, "", (await store.get_identities(ann.user.id))[0].external_id, ann.chat.place
    )
    assert scene is not None
    assert (scene.user, scene.own_session is not None) == (ann.user, True)
    assert (await store.read_talk(row.stamp, 10)).messages == tuple(messages)


async def test_texts_times_and_payloads_come_back_as_they_went_in(
    store: SupabaseStore, cast: Cast, ann: Person
) -> None:
    text = "NUL \x00, quotes \" ' \\, commas, (brackets), ü, \U0001f600, %s"
    user = await store.update_user(ann.user.id, UserPatch(display_name=text, metadata={text: [text, 1.5, None, True]}))
    assert await store.get_user_by_id(ann.user.id) == user
    assert (user.display_name, user.metadata[text]) == (text, [text, 1.5, None, True])
    place = Place(CONSOLE, text, new_id() + text)
    odd = await store.resolve_conversation(place, ConversationKind.PRIVATE)
    await store.create_chat_session(ann.user.id, None, PrivacyMode.NORMAL, conversation_id=odd.id)
    assert await store.find_conversation(place) is not None
    said_at = cast.now - timedelta(days=3, microseconds=7)
    record = await cast.remembered(ann.namespace, said_at=said_at, author_name=text)
    assert await store.get_mem0_memory_references(ann.namespace) == [record]


async def test_the_errors_of_the_service_are_ours(store: SupabaseStore, cast: Cast, ann: Person) -> None:
    await store.create_memory_profile(ann.user.id, "Work")
    with pytest.raises(NameTaken):
        await store.create_memory_profile(ann.user.id, "work")
    with pytest.raises(Conflict):
        await store.create_user(user_id=ann.user.id)
    with pytest.raises(NotFound):
        await store.set_password_hash((await _stranger(cast)).user.id, "x")
    with pytest.raises(NotFound):
        await store.create_chat_session(ann.user.id, ann.session.memory_profile_id, PrivacyMode.NORMAL,
                                        conversation_id=replace(ann.chat, id=ann.chat.id[::-1]).id)  # fmt: skip
    state = await store.get_namespace_state(ann.namespace)
    await store.erase_namespace(ann.namespace)
    with pytest.raises(ErasedMeanwhile):
        await store.apply_learning(LearnBatch(ann.namespace, state.erase_generation, (cast.memory(ann.namespace),)))


async def _stranger(cast: Cast) -> Person:
    """Somebody who was here and is gone."""
    person = await cast.person(f"live-{new_id()}")
    await cast.store.erase_user(person.user.id, cast.now)
    return person


async def test_parallel_messages_share_no_place(store: SupabaseStore, cast: Cast, ann: Person) -> None:
    rows = await asyncio.gather(*(store.accept(AcceptBatch(row=cast.row(ann))) for _ in range(12)))
    assert sorted(row.seq for row in rows if row) == list(range(1, 13))


async def test_pages_are_whole(store: SupabaseStore, cast: Cast, ann: Person) -> None:
    """More than a project's own row limit."""
    names = [f"{number:04}" for number in range(1_003)]
    turns = [cast.row(ann, event_key=f"{ann.user.id}-{name}", state=TurnState.FAILED) for name in names]
    for start in range(0, len(turns), 50):
        await asyncio.gather(*(store.accept(AcceptBatch(row=row)) for row in turns[start : start + 50]))
    failed = [row for row in await store.failed_turns(100_000) if row.stamp.author_id == ann.user.id]
    assert len({row.id for row in failed}) == len(names)


async def test_the_lease_keeps_a_second_runner_out(store: SupabaseStore, clock: ManualClock) -> None:
    try:
        await store.take_runner_lock(f"live-{new_id()}")
    except AnotherRunner:
        pytest.skip("the bot is running on this project")
    second = SupabaseStore(URL, KEY, clock)
    try:
        with pytest.raises(AnotherRunner):
            await second.take_runner_lock("second")
    finally:
        await second.close()


@pytest.mark.skipif(not PUBLIC_KEY, reason="SUPABASE_KEY, the project's public key, is not set")
async def test_the_public_key_opens_nothing(clock: ManualClock) -> None:
    store = SupabaseStore(URL, PUBLIC_KEY, clock)
    try:
        with pytest.raises(ConfigurationError, match="SUPABASE_SERVICE_KEY"):
            await store.open()
    finally:
        await store.close()
