from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from core.batches import UserPatch
from core.errors import Conflict, NotFound
from core.ports import Store
from core.types import Usage, UserId, UserKind, new_id
from tests.contracts.store.cast import CONSOLE, Cast


async def test_a_person_is_born_with_a_default_profile(store: Store) -> None:
    user = await store.create_user("Ann@Example.org", display_name="Ann")
    assert await store.get_user_by_id(user.id) == user
    assert (user.kind, user.email, user.display_name, user.timezone) == (
        UserKind.PERSON,
        "Ann@Example.org",
        "Ann",
        "UTC",
    )
    (profile,) = await store.get_memory_profiles(user.id)
    assert (profile.name, profile.is_default) == ("personal", True)
    assert await store.get_user_by_email(" ann@example.ORG ") == user
    assert await store.get_user_by_email("nobody@example.org") is None


async def test_a_space_is_born_with_a_room_profile(store: Store) -> None:
    space = await store.create_user(kind=UserKind.SPACE)
    assert (await store.get_default_memory_profile(space.id)).name == "room"


async def test_taken_addresses_and_ids_are_refused(store: Store) -> None:
    user = await store.create_user("ann@example.org", UserId(new_id()))
    with pytest.raises(Conflict):
        await store.create_user("ANN@example.org")
    with pytest.raises(Conflict):
        await store.create_user(user_id=user.id)
    other = await store.create_user()
    with pytest.raises(Conflict):
        await store.update_user(other.id, UserPatch(email="ann@EXAMPLE.org"))
    assert len(await store.get_memory_profiles(user.id)) == 1


async def test_only_what_a_patch_gives_changes(store: Store, cast: Cast) -> None:
    user = await store.create_user("ann@example.org", display_name="Ann")
    cast.clock.advance(timedelta(microseconds=1))
    changed = await store.update_user(user.id, UserPatch(timezone="Europe/Zurich", language="de", metadata={"a": (1,)}))
    assert (changed.email, changed.display_name, changed.timezone) == ("ann@example.org", "Ann", "Europe/Zurich")
    assert changed.metadata == {"a": [1]}
    assert changed.updated_at - user.updated_at == timedelta(microseconds=1)
    assert await store.get_user_by_id(user.id) == changed
    assert (await store.update_user(user.id, UserPatch(email="ann@example.org"))).email == "ann@example.org"


async def test_an_unknown_user_is_not_found(store: Store, cast: Cast) -> None:
    nobody = UserId(new_id())
    for call in (
        store.get_user_by_id(nobody),
        store.update_user(nobody, UserPatch(language="en")),
        store.get_default_memory_profile(nobody),
        store.create_memory_profile(nobody, "work"),
        store.add_usage(nobody, cast.now.date(), Usage(1)),
        store.add_identity(nobody, CONSOLE, "", "x", ""),
    ):
        with pytest.raises(NotFound):
            await call
    assert await store.get_memory_profiles(nobody) == []
    assert await store.find_identity(CONSOLE, "", "x") is None


async def test_an_account_is_one_person_however_often_it_writes(store: Store) -> None:
    first, created = await store.resolve_identity(CONSOLE, "team", "U1", "Ann")
    again, created_again = await store.resolve_identity(CONSOLE, "team", "U1", "Anna")
    assert (created, created_again) == (True, False)
    assert (again.id, again.user_id, again.display_name) == (first.id, first.user_id, "Anna")
    assert await store.find_identity(CONSOLE, "team", "U1") == again
    nameless, _ = await store.resolve_identity(CONSOLE, "team", "U1", "")
    assert nameless.display_name == "Anna"
    elsewhere, _ = await store.resolve_identity(CONSOLE, "", "U1", "Ann")
    assert elsewhere.user_id != first.user_id


async def test_parallel_first_messages_make_one_person(store: Store) -> None:
    found = await asyncio.gather(*(store.resolve_identity(CONSOLE, "", "U1", "Ann") for _ in range(32)))
    assert len({identity.user_id for identity, _ in found}) == 1
    assert sum(created for _, created in found) == 1


async def test_an_account_moves_only_from_its_owner_to_a_person(store: Store, cast: Cast) -> None:
    ann, bob, eve = await cast.person("Ann"), await cast.person("Bob"), await cast.person("Eve")
    room, _, _ = await cast.room()
    assert room.space_id is not None
    for owner, target in (
        (eve.user.id, bob.user.id),
        (ann.user.id, UserId(new_id())),
        (ann.user.id, room.space_id),
    ):
        with pytest.raises(NotFound):
            await store.move_identity(owner, ann.identity, target)
    assert [item.id for item in await store.get_identities(ann.user.id)] == [ann.identity]
    moved = await store.move_identity(ann.user.id, ann.identity, bob.user.id)
    assert moved.user_id == bob.user.id
    assert [item.id for item in await store.get_identities(bob.user.id)] == [ann.identity, bob.identity]
    assert await store.get_identities(ann.user.id) == []


async def test_a_person_gets_one_more_account(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    added = await store.add_identity(ann.user.id, CONSOLE, "web", "ann", "Ann")
    assert await store.add_identity(ann.user.id, CONSOLE, "web", "ann", "Ann") == added
    with pytest.raises(Conflict):
        await store.add_identity(bob.user.id, CONSOLE, "web", "ann", "Ann")
    assert added in await store.get_identities(ann.user.id)


async def test_usage_adds_up_per_day_and_over_all(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    today = cast.now.date()
    await asyncio.gather(*(store.add_usage(ann.user.id, today, Usage(1, 10, 3)) for _ in range(8)))
    await store.add_usage(bob.user.id, today, Usage(1, 1, 1))
    assert await store.get_usage(ann.user.id, today) == Usage(8, 80, 24)
    assert await store.get_usage(None, today) == Usage(9, 81, 25)
    assert await store.get_usage(ann.user.id, today + timedelta(days=1)) == Usage()


async def test_a_month_that_is_over_is_rolled_up_into_its_first_day_a_person(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    days = [
        date(2025, 12, 1),
        date(2025, 12, 2),
        date(2025, 12, 31),
        date(2026, 2, 28),
        date(2026, 3, 1),
        date(2026, 3, 2),
    ]
    for day in days:
        await store.add_usage(ann.user.id, day, Usage(1, 10, day.day))
    await store.add_usage(bob.user.id, date(2025, 12, 31), Usage(5, 6, 7))
    assert await store.roll_up_usage(date(2025, 12, 31)) == 0, "its month is not over"
    assert await store.roll_up_usage(date(2026, 3, 30)) == 4
    assert await store.roll_up_usage(date(2026, 3, 30)) == 0
    left = {day: await store.get_usage(ann.user.id, day) for day in (*days, date(2026, 2, 1))}
    assert {day: used for day, used in left.items() if used != Usage()} == {
        date(2025, 12, 1): Usage(3, 30, 1 + 2 + 31),
        date(2026, 2, 1): Usage(1, 10, 28),
        date(2026, 3, 1): Usage(1, 10, 1),
        date(2026, 3, 2): Usage(1, 10, 2),
    }
    assert await store.get_usage(bob.user.id, date(2025, 12, 1)) == Usage(5, 6, 7)
    await store.add_usage(ann.user.id, date(2025, 12, 3), Usage(1))  # late, by a process that stood still
    assert await store.roll_up_usage(date(2026, 3, 30)) == 1
    assert await store.get_usage(ann.user.id, date(2025, 12, 1)) == Usage(4, 30, 34)
