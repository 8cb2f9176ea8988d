"""A server that answers chat completions at once, for the controls that bring an OpenAI client of their own.

`python -m bench.stub` prints its base URL. A call that asks for JSON is taken for an inference, mem0's or ours: the
answer is one fact, cut from what the person said. `GET /sizes` gives the characters of every prompt so far.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

ANSWER = "Yes."
FACT = 120
"""Characters of the fact that an inference finds."""


class Stub:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages: Sequence[Mapping[str, str]] = body["messages"]
        self.sizes.append(sum(len(str(message["content"])) for message in messages))
        if body.get("stream"):
            return await self._streamed(request)
        text = _fact(messages[-1]["content"], body["response_format"]) if "response_format" in body else ANSWER
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "stub", "choices": [choice], "usage": usage}
        )

    async def _streamed(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for delta, finish in (({"role": "assistant", "content": ANSWER}, None), ({}, "stop")):
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": choices}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def tell_sizes(self, request: web.Request) -> web.Response:
        return web.json_response(self.sizes)


def _fact(prompt: str, wanted: Mapping[str, object]) -> str:
    if "facts" in json.dumps(wanted):
        return json.dumps({"facts": [{"text": prompt[-FACT:], "turns": [1], "replaces": []}]})
    said = prompt.rpartition("user: ")[2].strip() or prompt
    return json.dumps({"memory": [{"id": "0", "text": said[:FACT], "attributed_to": "user"}]})


@asynccontextmanager
async def stub_process() -> AsyncIterator[str]:
    """The stub in a process of its own, so that its work is nobody's CPU time; its base URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stub", stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def sizes_of(base_url: str) -> list[int]:
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/sizes") as response:
        sizes: list[int] = await response.json()
        return sizes


async def _main() -> None:
    stub = Stub()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/v1/chat/completions", stub.complete)
    app.router.add_get("/v1/sizes", stub.tell_sizes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
