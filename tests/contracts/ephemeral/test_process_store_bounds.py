"""What the process-memory store does when it is full."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from adapters.ephemeral.process import LIST_ITEMS, ProcessEphemeralStore
from core.errors import IncognitoUnavailable

HOUR = timedelta(hours=1)


async def test_the_talk_that_rested_longest_goes_first_and_whole() -> None:
    store = ProcessEphemeralStore(ManualClock(), max_bytes=30)
    await store.append("history:old", "a" * 10, HOUR)
    await store.append("history:busy", "b" * 10, HOUR)
    await store.append("history:old", "c" * 5, HOUR)
    await store.append("history:new", "d" * 10, HOUR)
    assert await store.items("history:busy") is None
    assert await store.items("history:old") == ["a" * 10, "c" * 5]
    assert await store.items("history:new") == ["d" * 10]


async def test_what_expired_makes_room_first() -> None:
    clock = ManualClock()
    store = ProcessEphemeralStore(clock, max_bytes=30)
    await store.put("turn:long", "a" * 10, HOUR)
    await store.put("turn:short", "b" * 10, timedelta(seconds=1))
    await store.put("turn:long", "a" * 10, HOUR)
    clock.advance(2)
    await store.put("turn:new", "c" * 20, HOUR)
    assert await store.get("turn:long") == "a" * 10


async def test_a_long_talk_loses_its_beginning() -> None:
    store = ProcessEphemeralStore(ManualClock(), max_bytes=25)
    for letter in "abcd":
        await store.append("history:1", letter * 10, HOUR)
    assert await store.items("history:1") == ["c" * 10, "d" * 10]


async def test_a_list_keeps_its_newest_items() -> None:
    store = ProcessEphemeralStore(ManualClock())
    for n in range(LIST_ITEMS + 3):
        await store.append("history:1", str(n), HOUR)
    assert await store.items("history:1") == [str(n) for n in range(3, LIST_ITEMS + 3)]


async def test_what_cannot_fit_is_refused_and_nothing_is_lost_for_it() -> None:
    store = ProcessEphemeralStore(ManualClock(), max_bytes=20)
    await store.put("turn:1", "a" * 10, HOUR)
    for write in (store.put, store.append):
        with pytest.raises(IncognitoUnavailable):
            await write("turn:2", "ä" * 11, HOUR)
    assert await store.get("turn:1") == "a" * 10


async def test_bytes_are_counted_back() -> None:
    store = ProcessEphemeralStore(ManualClock(), max_bytes=20)
    for n in range(10):
        await store.put("turn:kept", "a" * 5, HOUR)
        await store.put(f"turn:{n}", "b" * 15, HOUR)
        await store.delete(f"turn:{n}")
    assert await store.get("turn:kept") == "a" * 5
