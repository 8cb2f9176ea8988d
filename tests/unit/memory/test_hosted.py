"""mem0's platform behind the memory port, against a small copy of its HTTP interface on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.clock import ManualClock
from adapters.memory.hosted import HostedMemory
from core.errors import EmptyMessage, InvalidNamespace, MemoryUnavailable, NotFound
from core.ports import LearnableTurn, LearningOutcome, MemoryOrigin
from core.types import MemoryId, MemoryNamespace, PlatformName, ProfileId, TurnId, UserId, new_id

ANA = UserId(new_id())
HOME = MemoryNamespace(ANA, ProfileId(new_id()))
WORK = MemoryNamespace(ANA, ProfileId(new_id()))


@dataclass
class Platform:
    """What of mem0's platform (version 3 of its interface) the client calls."""

    memories: dict[str, dict[str, object]] = field(default_factory=dict)
    inferred: list[dict[str, object]] = field(default_factory=list)
    key: str = "m0-test"
    failing: int = 0
    url: str = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/ping/", self.ping),
            web.post("/v3/memories/add/", self.add),
            web.post("/v3/memories/search/", self.search),
            web.post("/v3/memories/", self.get_all),
            web.get("/v1/memories/{id}/", self.get),
            web.put("/v1/memories/{id}/", self.update),
            web.delete("/v1/memories/{id}/", self.delete),
            web.delete("/v1/memories/", self.delete_all),
        ]

    @web.middleware
    async def guard(self, request: web.Request, handler: object) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Token {self.key}":
            return web.json_response({"detail": "bad key"}, status=401)
        if self.failing:
            return web.json_response({"detail": f"failed on {await request.text()}"}, status=self.failing)
        return await handler(request)  # type: ignore[operator,no-any-return]  # aiohttp's middleware protocol

    async def ping(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "org_id": "o", "project_id": "p", "user_email": "op@example.org"})

    async def add(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("infer", True):
            self.inferred.append(body)
            return web.json_response({"status": "PENDING", "event_id": new_id()})
        row = {
            "id": new_id(),
            "memory": body["messages"][0]["content"],
            "user_id": body["user_id"],
            "metadata": body["metadata"],
            "created_at": "2026-11-22T12:00:00",
        }
        self.memories[str(row["id"])] = row
        return web.json_response({"results": [{"id": row["id"], "memory": row["memory"], "event": "ADD"}]})

    async def search(self, request: web.Request) -> web.Response:
        body = await request.json()
        words = set(body["query"].casefold().split())
        rows = [
            {**row, "score": len(words & set(str(row["memory"]).casefold().split())) / 10}
            for row in self._of(body["filters"]["user_id"])
        ]
        return web.json_response({"results": [row for row in rows if row["score"]][: body["top_k"]]})

    async def get_all(self, request: web.Request) -> web.Response:
        page, size = int(request.query["page"]), int(request.query["page_size"])
        rows = self._of((await request.json())["filters"]["user_id"])
        return web.json_response({"count": len(rows), "results": rows[(page - 1) * size : page * size]})

    async def get(self, request: web.Request) -> web.Response:
        row = self.memories.get(request.match_info["id"])
        return web.json_response(row) if row else web.json_response({"detail": "not found"}, status=404)

    async def update(self, request: web.Request) -> web.Response:
        self.memories[request.match_info["id"]]["memory"] = (await request.json())["text"]
        return web.json_response({"id": request.match_info["id"]})

    async def delete(self, request: web.Request) -> web.Response:
        del self.memories[request.match_info["id"]]
        return web.json_response({"message": "deleted"})

    async def delete_all(self, request: web.Request) -> web.Response:
        for row in self._of(request.query["user_id"]):
            del self.memories[str(row["id"])]
        return web.json_response({"message": "deleted"})

    def _of(self, user_id: str) -> list[dict[str, object]]:
        return [row for row in self.memories.values() if row["user_id"] == user_id]


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    served = Platform()
    app = web.Application(middlewares=[served.guard])
    app.add_routes(served.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def memory(platform: Platform, clock: ManualClock) -> AsyncIterator[HostedMemory]:
    hosted = HostedMemory(platform.key, clock, host=platform.url)
    yield hosted
    await hosted.close()


def origin(clock: ManualClock) -> MemoryOrigin:
    clock.advance(60)
    return MemoryOrigin(clock.now(), ANA, "Ana", PlatformName("slack"), (TurnId(new_id()),))


async def test_a_memory_goes_there_and_comes_back_whole(memory: HostedMemory, clock: ManualClock) -> None:
    assert not memory.is_ready
    told = origin(clock)
    kept = await memory.add_memory(HOME, "My dog is called Rex", told, metadata={"pinned": True})
    assert memory.is_ready
    again = await memory.get_memory(HOME, kept.id)
    assert (again.text, again.said_at, again.author_name) == ("My dog is called Rex", told.said_at, "Ana")
    assert (again.platform, again.source_turns, again.metadata) == ("slack", told.source_turns, {"pinned": True})
    [found] = await memory.search_memories([HOME], "is my dog there", limit=3)
    assert found.memory.id == kept.id
    assert await memory.search_memories([HOME], "hi!") == []
    assert await memory.search_memories([], "dog") == []


async def test_profiles_and_owners_are_apart(memory: HostedMemory, clock: ManualClock) -> None:
    kept = await memory.add_memory(HOME, "My dog is called Rex", origin(clock))
    assert await memory.search_memories([WORK], "dog") == []
    for attempt in (
        memory.get_memory(WORK, kept.id),
        memory.update_memory(WORK, kept.id, "mine"),
        memory.delete_memory(WORK, kept.id),
        memory.get_memory(HOME, MemoryId(new_id())),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(InvalidNamespace):
        memory.create_user_identifier(UserId("*"), new_id())
    with pytest.raises(EmptyMessage):
        await memory.add_memory(HOME, " ", origin(clock))


async def test_pages_updates_copies_and_erasure(memory: HostedMemory, clock: ManualClock) -> None:
    for number in range(105):
        await memory.add_memory(HOME, f"fact {number}", origin(clock))
    assert await memory.count_memories(HOME) == 105
    page = await memory.get_memories(HOME, limit=2, offset=1)
    assert [one.text for one in page] == ["fact 103", "fact 102"]
    assert (await memory.update_memory(HOME, page[0].id, "fact changed")).text == "fact changed"
    await memory.delete_memory(HOME, page[1].id)
    assert await memory.copy_memories_to_profile(HOME, WORK) == 104
    assert await memory.copy_memories_to_profile(HOME, WORK) == 0
    assert await memory.delete_all_memories(HOME) == 104
    assert (await memory.count_memories(HOME), await memory.count_memories(WORK)) == (0, 104)
    with pytest.raises(InvalidNamespace):
        await memory.copy_memories_to_profile(HOME, MemoryNamespace(UserId(new_id()), ProfileId(new_id())))


async def test_the_platform_learns_from_what_is_told_and_gets_no_secret(
    platform: Platform, memory: HostedMemory, clock: ManualClock
) -> None:
    def turn(text: str) -> LearnableTurn:
        return LearnableTurn(TurnId(new_id()), ANA, "Ana", clock.now(), text, "Fine.")

    assert await memory.extract_memories_from_conversation(HOME, [turn("hi"), turn("who am I?")]) == LearningOutcome()
    turns = [turn("My dog is called Rex. My password is hunter2."), turn("thanks")]
    outcome = await memory.extract_memories_from_conversation(HOME, turns)
    assert outcome.model_calls == 1
    [sent] = platform.inferred
    assert sent["user_id"] == str(HOME)
    assert "hunter2" not in json.dumps(sent)
    assert sent["messages"] == [
        {"role": "user", "content": "My dog is called Rex."},
        {"role": "assistant", "content": "Fine."},
    ]
    assert await memory.prepare_memories(HOME, "My dog is called Rex", origin(clock)) == ()
    assert await memory.reindex() == 0


@pytest.mark.parametrize("status", [400, 403, 429, 500])
async def test_a_platform_that_refuses_is_an_unavailable_memory_without_words(
    platform: Platform, memory: HostedMemory, clock: ManualClock, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    await memory.warm()
    platform.failing = status
    with caplog.at_level(logging.DEBUG), pytest.raises(MemoryUnavailable) as caught:
        await memory.add_memory(HOME, "quokka marmalade", origin(clock))
    assert "quokka" not in repr(caught.value) + caplog.text


async def test_a_wrong_key_is_an_unavailable_memory(platform: Platform, clock: ManualClock) -> None:
    memory = HostedMemory("m0-wrong", clock, host=platform.url)
    with pytest.raises(MemoryUnavailable):
        await memory.warm()
    await memory.close()
