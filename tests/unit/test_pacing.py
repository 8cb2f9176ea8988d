"""How many turns work at a time."""

from __future__ import annotations

import asyncio

import pytest

from adapters.clock import ManualClock
from core.pacing import RUSH, Pacing
from tests.support.stage import NOON


class Works:
    """Turns that hold their place until they are let go; `most` is how many held one at a time."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._go = asyncio.Event()
        self._now = self.most = self.done = 0

    async def work(self) -> None:
        async with self._pacing.recalling():
            self._now += 1
            self.most = max(self.most, self._now)
            await self._go.wait()
            # A moment in which another one could come in between.
            await asyncio.sleep(0)
            self._now -= 1
        self.done += 1

    async def all_of(self, count: int) -> None:
        tasks = [asyncio.create_task(self.work()) for _ in range(count)]
        for _ in range(5):
            await asyncio.sleep(0)
        self._go.set()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("yielding", "since", "most"), [(True, 0.0, 1), (True, RUSH * 0.9, 1), (True, RUSH * 1.1, 4), (False, 0.0, 4)]
)
async def test_one_turn_works_while_messages_come_in_and_some_at_other_times(
    yielding: bool, since: float, most: int
) -> None:
    clock = ManualClock(NOON)
    pacing = Pacing(clock, 4, yielding=yielding)
    pacing.arrived()
    clock.advance(since)
    works = Works(pacing)
    await works.all_of(9)
    assert (works.most, works.done) == (most, 9)


async def test_a_turn_that_takes_long_holds_up_nobody() -> None:
    pacing = Pacing(ManualClock(NOON), 2, yielding=True)
    pacing.arrived()
    async with pacing.recalling():
        works = Works(pacing)
        await works.all_of(3)
    assert works.done == 3


async def test_who_gives_up_waiting_leaves_the_place_to_the_next_one() -> None:
    pacing = Pacing(ManualClock(NOON), 2, yielding=True)
    pacing.arrived()
    async with pacing.recalling():
        waiting = [asyncio.create_task(Works(pacing).work()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    works = Works(pacing)
    await works.all_of(3)
    assert works.done == 3
