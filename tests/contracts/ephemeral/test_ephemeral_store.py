"""What every ephemeral store does."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adapters.clock import ManualClock
from core.ports import EphemeralStore

HOUR = timedelta(hours=1)
BLINK = timedelta(milliseconds=40)
ODD = "line\nbreak \0 nul 🦊 \ud800 lone"


async def gone(store: EphemeralStore, clock: ManualClock, key: str) -> bool:
    """Whether a value ends, by the manual clock or by the server's own."""
    clock.advance(BLINK)
    async with asyncio.timeout(5):
        while await store.get(key) is not None:  # noqa: ASYNC110  # the server tells nobody when a value ends
            await asyncio.sleep(0.005)
    return True


async def test_it_can_hold_incognito_talk(store: EphemeralStore) -> None:
    assert await store.unavailable() is None


async def test_a_value_is_kept_as_it_was(store: EphemeralStore) -> None:
    await store.put("turn:1", ODD, HOUR)
    assert await store.get("turn:1") == ODD
    await store.put("turn:1", "", HOUR)
    assert await store.get("turn:1") == ""


async def test_what_was_never_written_is_none(store: EphemeralStore) -> None:
    assert await store.get("turn:1") is None
    assert await store.items("history:1") is None


async def test_a_list_keeps_its_order(store: EphemeralStore) -> None:
    for text in ("one", ODD, "three"):
        await store.append("history:1", text, HOUR)
    assert await store.items("history:1") == ["one", ODD, "three"]


async def test_a_list_forgets_its_beginning_not_its_end(store: EphemeralStore) -> None:
    for n in range(510):
        await store.append("history:1", str(n), HOUR)
    items = await store.items("history:1")
    assert items is not None
    assert items == [str(n) for n in range(10, 510)]


async def test_reading_does_not_change_the_list(store: EphemeralStore) -> None:
    await store.append("history:1", "one", HOUR)
    items = await store.items("history:1")
    assert items is not None
    items.append("two")
    assert await store.items("history:1") == ["one"]


async def test_deleting_takes_values_and_lists(store: EphemeralStore) -> None:
    await store.put("turn:1", "a", HOUR)
    await store.append("history:1", "b", HOUR)
    await store.put("turn:2", "kept", HOUR)
    await store.delete("turn:1", "history:1", "turn:never")
    await store.delete()
    assert await store.get("turn:1") is None
    assert await store.items("history:1") is None
    assert await store.get("turn:2") == "kept"


async def test_a_value_ends_with_its_time(store: EphemeralStore, clock: ManualClock) -> None:
    await store.put("turn:1", "a", BLINK)
    assert await gone(store, clock, "turn:1")


async def test_a_write_gives_the_whole_list_new_time(store: EphemeralStore, clock: ManualClock) -> None:
    await store.append("history:1", "one", BLINK)
    await store.append("history:1", "two", HOUR)
    await store.put("turn:1", "a", BLINK)
    assert await gone(store, clock, "turn:1")
    assert await store.items("history:1") == ["one", "two"]
    await store.append("history:1", "three", BLINK)
    await store.put("turn:1", "a", BLINK)
    assert await gone(store, clock, "turn:1")
    clock.advance(BLINK)
    async with asyncio.timeout(5):
        while await store.items("history:1") is not None:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.005)


async def test_an_expired_list_begins_anew(store: EphemeralStore, clock: ManualClock) -> None:
    await store.append("history:1", "one", BLINK)
    clock.advance(BLINK)
    async with asyncio.timeout(5):
        while await store.items("history:1") is not None:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.005)
    await store.append("history:1", "two", HOUR)
    assert await store.items("history:1") == ["two"]


async def test_writers_at_once_lose_nothing(store: EphemeralStore) -> None:
    await asyncio.gather(*(store.append("history:1", str(n), HOUR) for n in range(50)))
    items = await store.items("history:1")
    assert items is not None
    assert sorted(items, key=int) == [str(n) for n in range(50)]


async def test_closing_twice_is_harmless(store: EphemeralStore) -> None:
    await store.put("turn:1", "a", HOUR)
    await store.close()
    await store.close()
