"""A small chat-completions server that answers as scripted, for what `llmock` cannot be told to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Body = dict[str, object]
Script = Callable[[web.Request, Body], Awaitable[web.StreamResponse]]


@dataclass
class ScriptedServer:
    """Answers every call with the next of `scripts`, the last one for ever; keeps what it was asked."""

    scripts: list[Script]
    base_url: str = ""
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.asked.set()
        self.headers.append(dict(request.headers))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            return await script(request, body)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise


@asynccontextmanager
async def serving(*scripts: Script) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer(list(scripts))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    # handler_cancellation: so that a script learns that its client hung up.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.base_url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def completion(text: str | None = "Hello there.", finish: str | None = "stop", **message: object) -> Script:
    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return web.json_response({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage})

    return script


def json_body(value: object) -> Script:
    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        return web.json_response(value)

    return script


def refusal(status: int, *, code: str | None = None, param: str | None = None, **headers: str) -> Script:
    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        error = {"message": "canary-in-the-error-text", "type": "x", "code": code, "param": param}
        return web.json_response({"error": error}, status=status, headers=headers)

    return script


def html(status: int = 200) -> Script:
    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        return web.Response(text="<html><body>Welcome</body></html>", content_type="text/html", status=status)

    return script


async def hang(request: web.Request, body: Body) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("never")


def chunk(text: str | None = None, finish: str | None = None, **delta: object) -> Body:
    content = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": {**content, **delta}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}


USAGE: Body = {
    "id": "c",
    "object": "chat.completion.chunk",
    "choices": [],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
CUT = "cut"
STALL = "stall"


def stream(*frames: Body | str, done: bool = True) -> Script:
    """Server-sent events; a string frame is sent as it stands, `CUT` drops the connection, `STALL` waits for ever."""

    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for frame in frames:
            if frame == CUT:
                assert request.transport is not None
                request.transport.abort()
                return response
            if frame == STALL:
                await asyncio.Event().wait()
            text = frame if isinstance(frame, str) else f"data: {json.dumps(frame)}\n\n"
            await response.write(text.encode())
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return script


def refusing(*keys: str, then: Script, **error: str) -> Script:
    """400 to every request that has one of these keys, as servers answer that do not know them."""

    async def script(request: web.Request, body: Body) -> web.StreamResponse:
        for key in keys:
            if key in body:
                return await refusal(400, **error)(request, body)
        return await then(request, body)

    return script
