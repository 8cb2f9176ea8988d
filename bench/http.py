"""The REST API on a real socket, server and client in one process: what an answer costs beside the model.

`python -m bench.http` measures `POST /chat` with a model that answers at once (control: the same engine called without
HTTP), the way of the model's first token to the client, and a hundred streams that are open at once.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.support import InstantModel, fact
from bench.table import Row, percentile, publish
from bot.bootstrap import App, build
from bot.settings import settings_from
from bot.web import serving
from core.ports import ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from core.types import SessionId, UserId

MESSAGES = 80
WARM_UP = 15
STREAMS = 100
MUCH = "1000000/minute"


class GatedModel(InstantModel):
    """Notes when it says its first token, and goes on when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.first_at = 0.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        self.first_at = time.perf_counter()
        yield ModelDelta("Yes.")
        await self.gate.wait()
        yield ModelFinished("stop", ModelUsage(10, 1))


class Caller:
    """Somebody signed in."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.user_id = UserId("")

    async def sign_up(self) -> None:
        tokens = await self.post("/auth/signup", {"email": "bench@example.org", "password": "correct horse battery"})
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        user = tokens["user"]
        assert isinstance(user, dict)
        self.user_id = UserId(str(user["id"]))

    async def post(self, path: str, body: dict[str, str]) -> dict[str, object]:
        async with self._http.post(f"/api/v1{path}", json=body) as answer:
            answer.raise_for_status()
            content: dict[str, object] = await answer.json()
            return content

    async def session(self) -> str:
        return str((await self.post("/sessions", {}))["id"])

    async def first_delta(self, session: str, text: str) -> float:
        """When the first piece arrived; the rest is read to its end."""
        body = {"session_id": session, "message": text}
        arrived = 0.0
        async with self._http.post("/api/v1/chat/stream", json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: ") and not arrived:
                    arrived = time.perf_counter()
        return arrived

    async def is_done(self, session: str) -> bool:
        body = {"session_id": session, "message": "Are you there?"}
        async with self._http.post("/api/v1/chat/stream", json=body) as answer:
            return b"event: done" in await answer.read()


@asynccontextmanager
async def site(model: GatedModel) -> AsyncIterator[tuple[App, Caller]]:
    with tempfile.TemporaryDirectory() as home:
        key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        values = {
            "MEMORYCHAT_HOME": str(Path(home) / "home"),
            "MEMORYCHAT_MASTER_KEY": key,
            "HTTP_PORT": "0",
            "RATE_LIMIT_USER": MUCH,
            "RATE_LIMIT_ADDRESS": MUCH,
            "QUEUE_CONCURRENCY": str(STREAMS),
        }
        async with build(settings_from(values), model=model) as app, serving(app) as address:
            await app.memory.warm()
            connector = aiohttp.TCPConnector(limit=2 * STREAMS)
            async with aiohttp.ClientSession(address, connector=connector) as http:
                caller = Caller(http)
                await caller.sign_up()
                yield app, caller


async def measure() -> list[Row]:
    model = GatedModel()
    async with site(model) as (app, caller):
        session = await caller.session()
        over_http, direct, delta = [], [], []
        for number in range(WARM_UP + MESSAGES):
            # Turn and turn about, so that both see the same machine.
            over_http.append(await _timed(_chat(caller, session, fact(3 * number))))
            direct.append(await _timed(_direct(app, caller.user_id, session, fact(3 * number + 1))))
            arrived = await caller.first_delta(session, fact(3 * number + 2))
            delta.append(1000 * (arrived - model.first_at))
        held = await _hold(model, caller)
    name = "the engine without HTTP"
    return [
        Row(
            "POST /chat p50", percentile(over_http[WARM_UP:], 0.5), "ms", 30.0, percentile(direct[WARM_UP:], 0.5), name
        ),
        Row(
            "POST /chat p95",
            percentile(over_http[WARM_UP:], 0.95),
            "ms",
            None,
            percentile(direct[WARM_UP:], 0.95),
            name,
        ),
        Row("first delta after the model's first token, p50", percentile(delta[WARM_UP:], 0.5), "ms", 20.0),
        Row("first delta after the model's first token, p95", percentile(delta[WARM_UP:], 0.95), "ms", None),
        Row(f"streams dropped of {STREAMS} held open", float(STREAMS - held), "", 0.0),
    ]


async def _hold(model: GatedModel, caller: Caller) -> int:
    """How many of the streams that were open together ended whole."""
    sessions = [await caller.session() for _ in range(STREAMS)]
    model.gate.clear()
    running = [asyncio.create_task(caller.is_done(session)) for session in sessions]
    await asyncio.sleep(5)
    assert not any(task.done() for task in running)
    model.gate.set()
    return sum(await asyncio.gather(*running))


async def _chat(caller: Caller, session: str, text: str) -> None:
    await caller.post("/chat", {"session_id": session, "message": text})


async def _direct(app: App, user_id: UserId, session: str, text: str) -> None:
    await app.engine.process_user_message(user_id, SessionId(session), text)


async def _timed(work: Awaitable[None]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    await work
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    publish(asyncio.run(measure()), "python -m bench.http")
