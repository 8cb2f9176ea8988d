"""On a real socket: people who leave, who are slow, who are many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from tests.contracts.http.conftest import Builder, Client, Live, served
from tests.support.models import ScriptedModel


async def visitor(live: Live, stack: AsyncExitStack) -> Client:
    http = httpx2.AsyncClient(base_url=live.address, timeout=30, limits=httpx2.Limits(max_connections=200))
    return Client(await stack.enter_async_context(http))


async def signed_in(live: Live, stack: AsyncExitStack) -> Client:
    ana = await visitor(live, stack)
    someone = await live.site.person("ana")
    ana.access, ana.refresh, ana.user_id = someone.access, someone.refresh, someone.user_id
    return ana


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 # polled, with a deadline
            await asyncio.sleep(0.01)


async def test_leaving_ends_the_model_call_and_keeps_nothing_half(shared_embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with AsyncExitStack() as stack:
        site = await Builder(stack, shared_embedder, MemoryStore)(model=model)
        live = await stack.enter_async_context(served(site))
        ana = await signed_in(live, stack)
        session = (await ana.ok("POST", "/sessions", {}))["id"]
        model.gate.clear()
        body = {"session_id": session, "message": "one two three"}
        async with ana.http.stream("POST", "/api/v1/chat/stream", json=body, headers=ana.headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert json.loads(line.removeprefix("data: "))["type"] == "delta"
                    break
        details = await site.services.engine.get_session_details(ana.user_id, session)
        conversation = details.session.conversation_id

        async def idle() -> bool:
            return not await site.services.store.is_busy(conversation)

        async with asyncio.timeout(10):
            while not await idle():  # noqa: ASYNC110 # polled, with a deadline
                await asyncio.sleep(0.01)
        assert await ana.ok("GET", f"/sessions/{session}/messages") == []
        model.gate.set()
        again = await ana.ok("POST", "/chat", {"session_id": session, "message": "four"})
        assert again["reply"] == "You said: four"


async def test_a_hundred_streams_are_held_open_and_all_end(shared_embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with AsyncExitStack() as stack:
        site = await Builder(stack, shared_embedder, MemoryStore)(model=model)
        live = await stack.enter_async_context(served(site))
        ana = await signed_in(live, stack)
        sessions = [(await ana.ok("POST", "/sessions", {}))["id"] for _ in range(100)]
        model.gate.clear()

        async def stream(session: str) -> str:
            body = {"session_id": session, "message": "hello you"}
            return (await ana.send("POST", "/chat/stream", body)).text

        running = [asyncio.create_task(stream(session)) for session in sessions]
        # The queue answers 64 talks at once; the others are open and wait.
        await until(lambda: len(model.calls) >= 60)
        await ana.ok("GET", "/auth/me")
        model.gate.set()
        texts = await asyncio.gather(*running)
        assert all("event: done" in text for text in texts)


async def test_slow_clients_hold_up_nobody(live: Live) -> None:
    host, port = live.address.removeprefix("http://").split(":")
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 1000\r\n\r\n{"
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(100)]
    try:
        for _, writer in slow:
            writer.write(head)
        async with AsyncExitStack() as stack:
            ana = await signed_in(live, stack)
            async with asyncio.timeout(5):
                for _ in range(10):
                    await ana.ok("GET", "/auth/me")
    finally:
        for _, writer in slow:
            writer.close()


FILES = sorted(Path("adapters/http/page").glob("*"))


async def test_the_page_and_its_parts_are_served(live: Live) -> None:
    async with AsyncExitStack() as stack:
        guest = await visitor(live, stack)
        page = await guest.http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert len(FILES) >= 12
        for file in FILES:
            assert (await guest.http.get(f"/{file.name}")).status_code == 200
            text = file.read_text()
            for foreign in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "style="):
                assert foreign not in text, (file.name, foreign)
