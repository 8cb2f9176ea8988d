"""Who may talk to the bot: strangers ask, the operator decides."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from adapters.clock import ManualClock
from core.ports import AccessGrant, AccessState, Store
from core.types import PlatformName

DAY = timedelta(days=1)
TELEGRAM = PlatformName("telegram")


def request(clock: ManualClock, who: str = "ann", code: str = "CODEANN2", platform: str = "telegram") -> AccessGrant:
    return AccessGrant(PlatformName(platform), "", who, AccessState.WAITING, clock.now(), code)


async def test_a_stranger_waits_with_a_code_until_it_is_approved_once(store: Store, clock: ManualClock) -> None:
    asked = request(clock)
    assert await store.request_access(asked, 10) == asked
    assert await store.request_access(replace(asked, code="ANOTHER2"), 10) == asked
    clock.advance(60)
    assert await store.approve_access("WRONG222", clock.now()) is None
    allowed = await store.approve_access("CODEANN2", clock.now())
    assert allowed == replace(asked, state=AccessState.ALLOWED, code="", changed_at=clock.now())
    assert await store.approve_access("CODEANN2", clock.now()) is None
    assert await store.approve_access("", clock.now()) is None
    assert await store.list_access() == [allowed]
    assert await store.request_access(request(clock, code="ANOTHER2"), 10) == allowed


async def test_two_messages_at_once_bring_one_code(store: Store, clock: ManualClock) -> None:
    asked = [request(clock, code=f"CODE000{number}") for number in range(4)]
    answers = await asyncio.gather(*(store.request_access(item, 10) for item in asked))
    assert len({answer.code for answer in answers if answer}) == 1


async def test_a_code_is_good_for_a_day(store: Store, clock: ManualClock) -> None:
    await store.request_access(request(clock), 10)
    clock.advance(DAY + timedelta(seconds=1))
    assert await store.approve_access("CODEANN2", clock.now()) is None
    again = request(clock, code="FRESH222")
    assert await store.request_access(again, 10) == again
    assert await store.purge(clock.now()) == 0
    clock.advance(DAY + timedelta(seconds=1))
    assert await store.purge(clock.now()) == 1
    assert await store.list_access() == []


async def test_only_so_many_wait_on_a_platform(store: Store, clock: ManualClock) -> None:
    for number in range(3):
        await store.request_access(request(clock, f"p{number}", f"CODE000{number}"), 3)
    assert await store.request_access(request(clock, "p3", "CODE0003"), 3) is None
    other = request(clock, "p3", "CODE0003", "slack")
    assert await store.request_access(other, 3) == other
    await store.approve_access("CODE0000", clock.now())
    assert await store.request_access(request(clock, "p3", "CODE0003"), 3) is not None


async def test_the_operator_blocks_and_forgets(store: Store, clock: ManualClock) -> None:
    await store.request_access(request(clock), 10)
    blocked = AccessGrant(TELEGRAM, "", "ann", AccessState.BLOCKED, clock.now())
    await store.set_access(blocked)
    assert await store.approve_access("CODEANN2", clock.now()) is None
    assert await store.request_access(request(clock), 10) == blocked
    clock.advance(DAY * 400)
    await store.purge(clock.now())
    assert await store.list_access() == [blocked]
    assert await store.drop_access(TELEGRAM, "", "ann")
    assert not await store.drop_access(TELEGRAM, "", "ann")
    assert await store.list_access() == []


async def test_the_list_is_in_the_order_of_the_changes(store: Store, clock: ManualClock) -> None:
    for name in ("cat", "ann", "bob"):
        await store.set_access(AccessGrant(TELEGRAM, "", name, AccessState.ALLOWED, clock.now()))
        clock.advance(1)
    await store.set_access(AccessGrant(TELEGRAM, "", "cat", AccessState.BLOCKED, clock.now()))
    assert [grant.external_id for grant in await store.list_access()] == ["ann", "bob", "cat"]
