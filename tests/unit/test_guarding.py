"""Circuit breakers: who fails again and again is left alone, tried with one call, and used again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.clock import ManualClock
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import Embedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.memory import MemoryStore
from core.breaker import Breaker, Circuit
from core.errors import MemoryUnavailable, ModelAuthError, ModelError, ModelInterrupted, ModelUnavailable
from core.guarding import GuardedMemory, GuardedModel
from core.policy import EnginePolicy
from core.ports import ModelDelta, ModelMessage
from core.ports.observer import UNOBSERVED
from core.types import MemoryNamespace, ProfileId, RecalledMemory, Role, UserId, new_id
from tests.support.models import ScriptedModel
from tests.support.world import world

ASKED = [ModelMessage(Role.USER, "hello")]


def breaker(clock: ManualClock, failures: int = 3) -> Breaker:
    return Breaker("thing", failures=failures, pause=5, clock=clock.monotonic, jitter=lambda: 0.5)


def test_it_opens_after_failures_in_a_row_and_closes_after_a_probe() -> None:
    clock, seen = ManualClock(), list[str]()
    circuit = Breaker(
        "thing",
        failures=3,
        pause=5,
        clock=clock.monotonic,
        jitter=lambda: 0.5,
        changed=lambda _, state: seen.append(state),
    )
    for _ in range(2):
        circuit.failed()
    circuit.succeeded()
    for _ in range(3):
        assert circuit.admits()
        circuit.failed()
    assert not circuit.admits()
    clock.advance(5)
    assert circuit.admits()
    assert not circuit.admits(), "one probe at a time"
    circuit.succeeded()
    assert circuit.admits()
    assert seen == ["closed", "open", "half_open", "closed"]


def test_a_probe_that_fails_makes_the_pause_longer_up_to_a_minute() -> None:
    clock = ManualClock()
    circuit = breaker(clock, failures=1)
    circuit.failed()
    for pause in (5, 10, 20, 40, 60, 60):
        clock.advance(pause - 0.01)
        assert not circuit.admits()
        clock.advance(0.02)
        assert circuit.admits()
        circuit.failed()


def test_a_probe_that_was_cancelled_leaves_its_place_to_the_next_call() -> None:
    clock = ManualClock()
    circuit = breaker(clock, failures=1)
    circuit.failed()
    clock.advance(6)
    assert circuit.admits()
    circuit.cancelled()
    assert circuit.admits()


@given(st.lists(st.sampled_from(["ok", "bad", "cut", "wait"]), max_size=60))
def test_whatever_happens_it_lets_somebody_through_again(story: list[str]) -> None:
    clock = ManualClock()
    circuit = breaker(clock)
    for event in story:
        if event == "wait":
            clock.advance(7)
        elif circuit.admits():
            {"ok": circuit.succeeded, "bad": circuit.failed, "cut": circuit.cancelled}[event]()
    clock.advance(100)
    assert circuit.admits()
    circuit.succeeded()
    assert circuit.state is Circuit.CLOSED


async def answer(model: GuardedModel) -> str:
    return "".join([event.text async for event in model.stream_response(ASKED) if isinstance(event, ModelDelta)])


@pytest.mark.parametrize("error", [ModelUnavailable(), ModelInterrupted()])
async def test_a_model_that_is_down_is_not_waited_for(error: ModelError) -> None:
    clock, inner = ManualClock(), ScriptedModel(failures=[error] * 3)
    model = GuardedModel(inner, breaker(clock), UNOBSERVED)
    for _ in range(3):
        with pytest.raises(type(error)):
            await answer(model)
    with pytest.raises(ModelUnavailable):
        await answer(model)
    assert inner.failures == []
    assert "Language model" in model.condition
    clock.advance(6)
    assert await answer(model) == "You said: hello"
    assert model.condition == {}


async def test_a_wrong_key_is_an_answer_and_opens_nothing() -> None:
    inner = ScriptedModel(failures=[ModelAuthError()] * 10)
    model = GuardedModel(inner, breaker(ManualClock()), UNOBSERVED)
    for _ in range(10):
        with pytest.raises(ModelAuthError):
            await answer(model)
    assert await answer(model) == "You said: hello"


class AwayMemory(Mem0Memory):
    """Cannot be reached, or never answers."""

    hangs = False
    away = True
    calls = 0

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        self.calls += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise MemoryUnavailable
        return await super().search_memories(namespaces, query, limit=limit, floor=floor)


def away(store: MemoryStore, embedder: Embedder, clock: ManualClock) -> AwayMemory:
    return AwayMemory(store, PlainSealer(), embedder, ScriptedModel(), clock)


async def test_people_are_answered_without_a_memory_that_is_away_and_status_says_so(embedder: Embedder) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    inner = away(store, embedder, clock)
    memory = GuardedMemory(inner, breaker(clock), UNOBSERVED, 0.3)
    async with world(store=store, memory=memory, clock=clock, conditions=lambda: memory.condition) as town:
        ana = town.person("ana")
        for _ in range(5):
            assert (await ana.says("what do you know about me?")).text
        assert inner.calls == 3
        assert "Memory: cannot be reached" in (await ana.says("/status")).text.replace("*", "")
        inner.away = False
        clock.advance(20)
        await ana.says("and now?")
        assert inner.calls == 4
        assert "cannot be reached" not in (await ana.says("/status")).text


async def test_a_memory_that_hangs_is_one_that_is_away(embedder: Embedder) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    inner = away(store, embedder, clock)
    await inner.warm()
    inner.hangs = True
    memory = GuardedMemory(inner, breaker(clock, failures=2), UNOBSERVED, 0.02)
    async with world(store=store, memory=memory, clock=clock, policy=EnginePolicy(recall_deadline=0.02)) as town:
        ana = town.person("ana")
        for _ in range(4):
            assert (await ana.says("what do you know about me?")).text
    assert inner.calls == 2


async def test_a_search_that_nobody_wants_any_more_says_nothing_about_the_memory(embedder: Embedder) -> None:
    clock = ManualClock()
    inner = away(MemoryStore(clock), embedder, clock)
    inner.hangs = True
    circuit = breaker(ManualClock(), failures=1)
    memory = GuardedMemory(inner, circuit, UNOBSERVED, 60)
    space = MemoryNamespace(UserId(new_id()), ProfileId(new_id()))
    search = asyncio.create_task(memory.search_memories([space], "rex"))
    await asyncio.sleep(0)
    search.cancel()
    await asyncio.gather(search, return_exceptions=True)
    assert circuit.state is Circuit.CLOSED
