from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from core.errors import Conflict, NotFound, StaleMember
from core.ports import Store
from core.types import ConversationId, ConversationKind, Place, PlatformName, PrivacyMode, ProfileId, new_id
from tests.contracts.store.cast import CONSOLE, Cast


async def test_a_place_is_one_conversation(store: Store) -> None:
    place = Place(CONSOLE, "", "chat")
    assert await store.find_conversation(place) is None
    chat = await store.resolve_conversation(place, ConversationKind.PRIVATE)
    assert await store.resolve_conversation(place, ConversationKind.PRIVATE) == chat
    assert await store.find_conversation(place) == await store.get_conversation(chat.id) == chat
    assert (chat.space_id, chat.parent_id, chat.mode_floor) == (None, None, PrivacyMode.NORMAL)
    with pytest.raises(NotFound):
        await store.get_conversation(ConversationId(new_id()))


async def test_threads_share_their_rooms_space(store: Store) -> None:
    thread = await store.resolve_conversation(Place(CONSOLE, "team", "c", "t1"), ConversationKind.SHARED)
    room = await store.find_conversation(Place(CONSOLE, "team", "c"))
    other = await store.resolve_conversation(Place(CONSOLE, "team", "c", "t2"), ConversationKind.SHARED)
    assert room is not None
    assert room.space_id is not None
    assert thread.parent_id == other.parent_id == room.id
    assert thread.space_id == other.space_id == room.space_id
    assert await store.list_conversations(CONSOLE) == [room, thread, other]
    assert await store.list_conversations(PlatformName("slack")) == []


async def test_parallel_first_messages_make_one_conversation(store: Store) -> None:
    place = Place(CONSOLE, "team", "c", "t")
    made = await asyncio.gather(*(store.resolve_conversation(place, ConversationKind.SHARED) for _ in range(16)))
    assert len({conversation.id for conversation in made}) == 1
    assert len(await store.list_conversations(CONSOLE)) == 2


async def test_a_member_starts_as_in_the_room_above(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    thread = await store.resolve_conversation(Place(CONSOLE, "team", "c", "t"), ConversationKind.SHARED)
    assert thread.parent_id is not None
    fresh = await store.get_member(thread.parent_id, ann.user.id)
    assert (fresh.version, fresh.mode, fresh.profile_id) == (0, PrivacyMode.NORMAL, None)
    profile_id = ann.namespace.profile_id
    await store.save_member(replace(fresh, mode=PrivacyMode.INCOGNITO, profile_id=profile_id, welcomed=True))
    inherited = await store.get_member(thread.id, ann.user.id)
    assert (inherited.conversation_id, inherited.version) == (thread.id, 0)
    assert (inherited.mode, inherited.profile_id) == (PrivacyMode.INCOGNITO, profile_id)
    own = await store.save_member(replace(inherited, mode=PrivacyMode.NORMAL))
    assert await store.get_member(thread.id, ann.user.id) == own
    assert (await store.get_member(thread.parent_id, ann.user.id)).mode is PrivacyMode.INCOGNITO
    with pytest.raises(NotFound):
        await store.get_member(ConversationId(new_id()), ann.user.id)


async def test_a_persons_rooms_are_those_they_are_a_member_of(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    first, second, third = [await cast.room(name) for name in ("one", "two", "three")]
    threads = [
        await store.resolve_conversation(Place(CONSOLE, "team", chat, thread), ConversationKind.SHARED)
        for chat, thread in (("two", "t1"), ("two", "t2"), ("one", "t1"))
    ]
    assert await store.get_user_rooms(ann.user.id) == []
    # Also in threads, and in a room as well as in its thread; the private chat is no room.
    for place in (threads[0], threads[1], threads[2], first[0], ann.chat):
        await store.save_member(await store.get_member(place.id, ann.user.id))
    await store.save_member(await store.get_member(third[0].id, eve.user.id))
    assert await store.get_user_rooms(ann.user.id) == [first[0], second[0]]
    assert await store.get_user_rooms(eve.user.id) == [third[0]]


async def test_rooms_are_all_there_when_they_are_many(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    rooms = [
        await store.resolve_conversation(Place(CONSOLE, "team", f"c{number}"), ConversationKind.SHARED)
        for number in range(60)
    ]
    for room in rooms:
        await store.save_member(await store.get_member(room.id, ann.user.id))
    assert await store.get_user_rooms(ann.user.id) == rooms


async def test_of_two_changes_of_a_member_one_is_stale(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    member = await store.get_member(ann.chat.id, ann.user.id)
    saved = await store.save_member(replace(member, mode=PrivacyMode.PAUSE_MEMORIES))
    assert saved.version == 1
    with pytest.raises(StaleMember):
        await store.save_member(replace(member, mode=PrivacyMode.INCOGNITO))
    results = await asyncio.gather(*(store.save_member(saved) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, StaleMember) for result in results) == 7
    assert (await store.get_member(ann.chat.id, ann.user.id)).version == 2


async def test_a_member_cannot_choose_what_is_not_theirs(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    member = await store.get_member(eve.chat.id, eve.user.id)
    for wrong in (
        replace(member, profile_id=ann.namespace.profile_id),
        replace(member, profile_id=ProfileId(new_id())),
        replace(member, conversation_id=ConversationId(new_id())),
    ):
        with pytest.raises(NotFound):
            await store.save_member(wrong)
    assert (await store.get_member(eve.chat.id, eve.user.id)).version == 0


async def test_a_chat_with_a_new_id_keeps_all_it_has(store: Store, cast: Cast) -> None:
    old, new = Place(CONSOLE, "", "-100"), Place(CONSOLE, "", "-200")
    room = await store.resolve_conversation(old, ConversationKind.SHARED)
    topic = await store.resolve_conversation(replace(old, thread_id="7"), ConversationKind.SHARED)
    await store.resolve_conversation(new, ConversationKind.SHARED)

    await store.move_conversation(old, new)

    assert await store.find_conversation(old) is None
    assert await store.find_conversation(new) == replace(room, place=new)
    moved = await store.find_conversation(replace(new, thread_id="7"))
    assert moved is not None
    assert moved.id == topic.id
    await store.move_conversation(Place(CONSOLE, "", "unknown"), Place(CONSOLE, "", "-300"))
    assert await store.find_conversation(Place(CONSOLE, "", "-300")) is None


async def test_a_chat_does_not_move_over_another_one_in_use(store: Store, cast: Cast) -> None:
    room, _, _ = await cast.room("one")
    other, _, _ = await cast.room("two")
    with pytest.raises(Conflict):
        await store.move_conversation(room.place, other.place)
    assert await store.find_conversation(room.place) == room
    assert await store.find_conversation(other.place) == other
