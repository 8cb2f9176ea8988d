"""The index on a server: what it is sent, what happens while it is away, and that it is mended from the rows."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import numpy as np
import pytest

from adapters.memory import index as index_module
from adapters.memory.index import QdrantIndex
from core.breaker import Breaker
from core.errors import MemoryUnavailable
from core.guarding import GuardedMemory
from core.ports.observer import UNOBSERVED
from core.types import MemoryId, new_id
from tests.support.qdrant import QdrantServer, qdrant_server
from tests.support.remembering import House
from tests.support.world import world

SIZE = 384


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QdrantServer]:
    monkeypatch.setattr(index_module, "TIMEOUT_SECONDS", 1)
    async with qdrant_server() as started:
        yield started


async def test_it_gets_ids_and_vectors_and_keeps_the_tenants_apart(home: House, server: QdrantServer) -> None:
    ana = await home.mind(index=QdrantIndex(SIZE, url=server.url))
    bob = await home.mind(index=QdrantIndex(SIZE, url=server.url))
    await ana.add("Rex is my dog")
    await bob.add("Tom is my cat")
    assert await ana.found("Rex") == ["Rex is my dog"]
    assert await bob.found("Rex", floor=False) == ["Tom is my cat"]
    assert server.indexes == [
        {"field_name": "namespace", "field_schema": {"type": "keyword", "is_tenant": True}},
    ]
    assert not [body for body in server.bodies if "Rex" in body or "dog" in body]


@pytest.mark.parametrize("fault", ["error", "garbage", "hang", "cut"])
async def test_every_failure_of_the_server_is_one_of_ours(home: House, server: QdrantServer, fault: str) -> None:
    ana = await home.mind(index=QdrantIndex(SIZE, url=server.url))
    await ana.add("Rex is my dog")
    assert await ana.found("Rex")
    server.fault = fault
    with pytest.raises(MemoryUnavailable) as raised:
        await ana.found("Rex")
    assert "dog" not in repr(raised.value.args)
    server.fault = ""
    assert await ana.found("Rex") == ["Rex is my dog"]


async def test_a_server_that_is_not_there_is_a_failure_too(home: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ana = await home.mind(index=QdrantIndex(SIZE, url=f"http://127.0.0.1:{port}"))
    await ana.memory._embedder.warm()
    with pytest.raises(MemoryUnavailable):
        await ana.found("Rex")


async def test_people_are_answered_while_it_is_away_and_what_they_told_meanwhile_is_found_afterwards(
    home: House, server: QdrantServer
) -> None:
    mind = await home.mind(index=QdrantIndex(SIZE, url=server.url))
    await mind.memory.warm()
    circuit = Breaker("memory", failures=2, clock=home.clock.monotonic)
    memory = GuardedMemory(mind.memory, circuit, UNOBSERVED, 0.3)
    async with world(store=home.store, memory=memory, clock=home.clock, sealer=home.sealer) as town:
        person = town.person("ana")
        await person.says("My dog is called Rex.")
        server.fault = "error"
        asked = len(server.asked)
        for _ in range(6):
            assert (await person.says("What is my dog called?")).text
        assert len(server.asked) - asked <= 4, "a server that is away is not asked again and again"
        await person.says("My cat is called Tom.")
        server.fault = ""
        home.clock.advance(60)
        await person.says("What is my cat called?")
        model = town.model
        assert "Tom" in model.calls[-1].system  # type: ignore[attr-defined]  # the scripted model


async def test_what_a_server_lost_or_should_have_lost_is_mended_from_the_rows(
    home: House, server: QdrantServer
) -> None:
    index = QdrantIndex(SIZE, url=server.url)
    ana, bob = await home.mind(index=index), await home.mind(index=QdrantIndex(SIZE, url=server.url))
    kept = await ana.add("Rex is my dog")
    lost = await ana.add("Tom is my cat")
    stale = await ana.add("I live in Oslo")
    await bob.add("I like tea")
    await ana.found("anything")
    await bob.found("anything")
    assert await ana.memory.verify() == 0
    stranger = MemoryId(new_id())
    await asyncio.to_thread(index.remove, ana.namespace, [lost.id])
    wrong = np.ones((2, SIZE), np.float32)
    await asyncio.to_thread(index.put, ana.namespace, {stranger: 1, stale.id: 99}, wrong)
    assert await ana.memory.verify() == 3
    assert set(await asyncio.to_thread(index.held, ana.namespace)) == {kept.id, lost.id, stale.id}
    assert await ana.memory.verify() == 0


async def test_what_is_left_on_the_server_of_somebody_who_is_gone_goes(home: House, server: QdrantServer) -> None:
    index = QdrantIndex(SIZE, url=server.url)
    ana = await home.mind(index=index)
    await ana.add("Rex is my dog")
    await ana.found("Rex")
    server.fault = "error"
    await home.store.erase_user(ana.user_id, home.clock.now())
    server.fault = ""
    operator = await home.mind(index=QdrantIndex(SIZE, url=server.url))
    assert await operator.memory.verify() == 1
    assert await asyncio.to_thread(index.held, ana.namespace) == {}


async def test_an_index_in_memory_is_verified_as_well(home: House) -> None:
    index = QdrantIndex(SIZE)
    ana = await home.mind(index=index)
    memory = await ana.add("Rex is my dog")
    await ana.found("Rex")
    assert await ana.memory.verify() == 0
    index.remove(ana.namespace, [memory.id])
    assert await ana.memory.verify() == 1
    assert await ana.found("Rex") == ["Rex is my dog"]
