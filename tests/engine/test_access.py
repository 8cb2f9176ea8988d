"""Strangers at the door: one polite line, a code for the operator, and nothing kept of what they wrote."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from adapters.memory.embedder import Embedder
from adapters.stores.memory import MemoryStore
from core.access import AccessMode, AccessRule, typed_code
from core.messages import Acceptance
from core.ports import AccessGrant, AccessState
from core.types import Audience
from tests.support.polling import eventually
from tests.support.stage import NOON, TEST
from tests.support.world import Town, world

PAIRING = {TEST: AccessRule(AccessMode.PAIRING)}


async def told(town: Town, count: int) -> str:
    await eventually(lambda: len(town.adapter.sent) == count)
    return town.adapter.sent[-1][1].text


async def test_a_stranger_gets_a_code_and_is_let_in_by_it(embedder: Embedder) -> None:
    async with world(embedder=embedder, rules=PAIRING) as town:
        ana = town.person("ana")
        assert await ana.sends("let me in, my secret is plum") is Acceptance.REFUSED
        line = await told(town, 1)
        waiting = (await town.store.list_access())[0]
        assert waiting.code in typed_code(line)
        assert town.adapter.sent[0][1].audience is Audience.ASKER
        assert await town.store.find_identity(TEST, "", "ana") is None
        await town.store.approve_access(waiting.code, town.clock.now())
        replies = await ana.hears("hello")
        assert [reply.text for reply in replies][-1] == "You said: hello"
        assert len(replies) == 2  # with the welcome before it


async def test_the_line_is_said_once_in_a_while(embedder: Embedder) -> None:
    async with world(embedder=embedder, rules=PAIRING) as town:
        ana = town.person("ana")
        for _ in range(3):
            assert await ana.sends("hello?") is Acceptance.REFUSED
        first = await told(town, 1)
        await town.engine.inbox._access.settle()
        assert len(town.adapter.sent) == 1
        town.clock.advance(timedelta(hours=13))
        await ana.sends("hello??")
        assert await told(town, 2) == first
        town.clock.advance(timedelta(hours=26))
        await ana.sends("hello???")
        assert await told(town, 3) != first


async def test_a_list_lets_people_and_places_in(embedder: Embedder) -> None:
    rules = {TEST: AccessRule(AccessMode.ALLOWLIST, frozenset({"ana", "room-kitchen"}))}
    async with world(embedder=embedder, rules=rules) as town:
        assert await town.person("ana").sends("hello") is Acceptance.ACCEPTED
        assert await town.person("bob", town.room("kitchen")).sends("hello") is Acceptance.ACCEPTED
        await town.queue.drain()
        town.adapter.sent.clear()
        assert await town.person("bob").sends("hello") is Acceptance.REFUSED
        assert "private bot" in await told(town, 1)
        assert await town.store.list_access() == []


@pytest.mark.parametrize("mode", AccessMode)
async def test_whom_the_operator_blocks_hears_nothing(embedder: Embedder, mode: AccessMode) -> None:
    rules = {TEST: AccessRule(mode, frozenset({"ana"}))}
    async with world(embedder=embedder, rules=rules) as town:
        ana = town.person("ana")
        await town.store.set_access(AccessGrant(TEST, "", "ana", AccessState.BLOCKED, town.clock.now()))
        assert await ana.sends("hello") is Acceptance.REFUSED
        await town.engine.inbox._access.settle()
        assert town.adapter.sent == []


async def test_a_block_counts_within_seconds_for_a_running_bot(embedder: Embedder) -> None:
    async with world(embedder=embedder, rules={TEST: AccessRule()}) as town:
        ana = town.person("ana")
        assert await ana.sends("hello") is Acceptance.ACCEPTED
        await town.store.set_access(AccessGrant(TEST, "", "ana", AccessState.BLOCKED, town.clock.now()))
        town.clock.advance(2)
        assert await ana.sends("hello again") is Acceptance.REFUSED


async def test_a_crowd_at_the_door_gets_no_endless_codes(embedder: Embedder) -> None:
    clock = ManualClock(NOON)
    store = MemoryStore(clock)
    for number in range(200):
        await store.request_access(
            AccessGrant(TEST, "", f"p{number}", AccessState.WAITING, clock.now(), f"C{number:07}"), 200
        )
    async with world(embedder=embedder, rules=PAIRING, store=store, clock=clock) as town:
        assert await town.person("ana").sends("hello") is Acceptance.REFUSED
        assert "code" not in await told(town, 1)


async def test_a_first_command_is_answered_after_the_welcome(embedder: Embedder) -> None:
    async with world(embedder=embedder) as town:
        replies = await town.person("ana").hears("/help")
        assert "I am **MemoryChat**" in replies[0].text
        assert "/profile" in replies[1].text
        assert len(replies) == 2
