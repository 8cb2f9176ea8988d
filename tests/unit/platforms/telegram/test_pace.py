"""Never more than the limit in any window, and no chat pays for another."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.telegram.config import Pace
from adapters.platforms.telegram.pace import PRUNE_ABOVE, Pacer, Window
from core.errors import DeliveryRateLimited

CHAT, OTHER, GROUP = 1, 2, -3


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def sent_until_refused(pacer: Pacer, chat: int, most: int = 100) -> int:
    """How many go out at once when nobody is willing to wait."""
    for number in range(most):
        try:
            await pacer.wait(chat)
        except DeliveryRateLimited:
            return number
    return most


async def test_a_group_gets_its_twenty_a_minute(clock: Clock) -> None:
    pacer = Pacer(Pace(chat=(50, 1.0), patience=0.0), clock)
    assert await sent_until_refused(pacer, GROUP) == 20
    clock.now += 59.0
    assert await sent_until_refused(pacer, GROUP) == 0
    clock.now += 1.1
    assert await sent_until_refused(pacer, GROUP) == 20


async def test_the_overall_limit_counts_all_chats(clock: Clock) -> None:
    pacer = Pacer(Pace(overall=(4, 1.0), patience=0.0), clock)
    assert await sent_until_refused(pacer, CHAT) == 3
    assert await sent_until_refused(pacer, OTHER) == 1


async def test_a_penalty_is_one_chats_own(clock: Clock) -> None:
    pacer = Pacer(Pace(patience=10.0), clock)
    pacer.block(CHAT, 7_200)
    assert pacer.is_blocked(CHAT)
    assert pacer.spare(CHAT) == 7_200
    with pytest.raises(DeliveryRateLimited) as limited:
        await pacer.wait(CHAT)
    assert limited.value.retry_after == 7_200
    await pacer.wait(OTHER)
    clock.now += 7_201
    assert not pacer.is_blocked(CHAT)
    await pacer.wait(CHAT)


async def test_what_can_be_left_out_uses_half_at_most(clock: Clock) -> None:
    pacer = Pacer(Pace(patience=0.0), clock)
    shown = 0
    while pacer.spare(GROUP) == 0.0:
        await pacer.wait(GROUP)
        shown += 1
        clock.now += 3.0
    assert shown == 10
    assert await sent_until_refused(pacer, GROUP) == 3


async def test_waiting_takes_turns() -> None:
    pacer = Pacer(Pace(chat=(1, 0.02), patience=1.0))
    order: list[int] = []

    async def send(number: int) -> None:
        await pacer.wait(CHAT)
        order.append(number)

    await asyncio.gather(*(send(number) for number in range(4)))
    assert order == [0, 1, 2, 3]


async def test_a_crowd_that_waits_for_its_own_chats_leaves_room_for_others(clock: Clock) -> None:
    pacer = Pacer(Pace(chat=(1, 5.0), overall=(5, 6.0), patience=6.5), clock)
    for chat in range(10, 15):
        await pacer.wait(chat)
    waiting = [asyncio.create_task(pacer.wait(chat)) for chat in range(10, 15)]
    await asyncio.sleep(0)
    other = asyncio.create_task(pacer.wait(OTHER))  # in 6 s, not behind the crowd in 12, which would be refused
    await asyncio.sleep(0)
    assert not other.done()
    for task in (*waiting, other):
        task.cancel()
    await asyncio.gather(*waiting, other, return_exceptions=True)


async def test_old_chats_are_forgotten(clock: Clock) -> None:
    pacer = Pacer(Pace(overall=(10**6, 1.0)), clock)
    pacer.block(GROUP, 5.0)
    for chat in range(1, PRUNE_ABOVE + 1):
        await pacer.wait(chat)
    clock.now += 100.0
    await pacer.wait(PRUNE_ABOVE + 1)
    assert len(pacer._chats) == 1  # its memory is what this is about
    assert not pacer._blocked


@given(
    count=st.integers(1, 5),
    seconds=st.floats(0.1, 10.0),
    gaps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=40),
)
def test_no_window_holds_more_than_its_count(count: int, seconds: float, gaps: list[float]) -> None:
    window, now, taken = Window(count, seconds), 0.0, []
    for gap in gaps:
        now += gap
        at = window.next_at(now)
        assert at >= now
        window.take(at)
        taken.append(at)
    assert all(later - earlier >= seconds - 1e-6 for earlier, later in zip(taken, taken[count:], strict=False))
