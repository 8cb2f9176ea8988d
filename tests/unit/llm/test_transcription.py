"""Voice notes over a real HTTP server that speaks the transcription endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.llm.transcription import OpenAITranscriber
from core.errors import ModelAuthError, ModelUnavailable


@dataclass
class Endpoint:
    statuses: list[int] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)
    base_url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        self.asked.append({"model": form["model"], "name": upload.filename, "content": upload.file.read()})
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response({"text": " Hello there. "} if status == 200 else {"error": {}}, status=status)


@asynccontextmanager
async def serving(*statuses: int) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(list(statuses))
    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", endpoint.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    endpoint.base_url = f"http://{host}:{port}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("media_type", "name"),
    [("audio/ogg", "voice.ogg"), ("audio/mpeg", "voice.mp3"), ("audio/mp4", "voice.m4a"), ("", "voice.ogg")],
)
async def test_what_is_said_comes_back_as_text(media_type: str, name: str) -> None:
    async with serving() as endpoint:
        transcriber = OpenAITranscriber("key", "whisper-1", base_url=endpoint.base_url)
        assert await transcriber.transcribe(b"sound", media_type) == "Hello there."
        await transcriber.close()
        assert endpoint.asked == [{"model": "whisper-1", "name": name, "content": b"sound"}]


async def test_failures_are_errors_of_the_model() -> None:
    async with serving(401, 503) as endpoint:
        transcriber = OpenAITranscriber("", "whisper-1", base_url=endpoint.base_url, retries=0)
        with pytest.raises(ModelAuthError):
            await transcriber.transcribe(b"sound", "audio/ogg")
        with pytest.raises(ModelUnavailable):
            await transcriber.transcribe(b"sound", "audio/ogg")
        await transcriber.close()
