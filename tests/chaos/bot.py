"""`memorychat run` as a process of its own, between emulated platforms and an emulated model."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from core.prompts import MESSAGE_LINE
from tests.unit.llm.server import USAGE, Body, ScriptedServer, chunk, serving

ROOT = Path(__file__).parents[2]


@dataclass
class GatedModel:
    """Answers `You said: …` while its gate is open; `asked` counts the calls that wait or were answered."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    server: ScriptedServer | None = None

    async def answer(self, request: web.Request, body: Body) -> web.StreamResponse:
        self.asked += 1
        messages = body["messages"]
        assert isinstance(messages, list)
        said = str(messages[-1]["content"]).partition(f"{MESSAGE_LINE}\n")[2]
        await self.gate.wait()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for frame in (chunk("You said: "), chunk(said), chunk(finish="stop"), USAGE):
            await response.write(f"data: {json.dumps(frame)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def gated_model() -> AsyncIterator[GatedModel]:
    model = GatedModel()
    async with serving(model.answer) as server:
        model.server = server
        yield model


def environment(folder: Path, model: GatedModel, settings: Mapping[str, str]) -> dict[str, str]:
    """Only what the process needs: none of the developer's own settings."""
    assert model.server is not None
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    return kept | {
        "MEMORYCHAT_HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "OPENAI_BASE_URL": model.server.base_url,
        "OPENAI_MODEL": "gated",
        "ACCESS_POLICY": "open",
        "HTTP_PORT": "0",
        "QUEUE_LEASE": "2s",
        "COVERAGE_PROCESS_START": "",
        **settings,
    }


@asynccontextmanager
async def running(folder: Path, env: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Killed at the end when it has not ended by itself; its log is `run.log` in the folder."""
    with (folder / "run.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from bot.cli import main; main()", "run"),
            env={**env, "PYTHONPATH": str(ROOT)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
