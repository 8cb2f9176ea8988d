"""Voice notes through the transcription endpoint that OpenAI and compatible servers have."""

from __future__ import annotations

import mimetypes

import httpx2
from openai import AsyncOpenAI

from adapters.llm.client import CONNECT_SECONDS, OPENAI_BASE_URL
from adapters.llm.failures import FOREIGN, map_error

_ENDINGS = {"audio/ogg": ".ogg", "audio/opus": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/x-m4a": ".m4a"}
"""The endpoint tells formats apart by the name's ending; `mimetypes` knows others, or other endings for these."""


class OpenAITranscriber:
    """`Transcriber`. `timeout` in seconds is for the whole answer; the client tries twice again what may pass."""

    def __init__(
        self, api_key: str, model: str, *, base_url: str = "", timeout: float = 60.0, retries: int = 2
    ) -> None:
        self._client = AsyncOpenAI(
            api_key=api_key or "none",  # local servers need none, the client insists on one
            base_url=base_url or OPENAI_BASE_URL,  # never the client's own look into the environment
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            max_retries=retries,
        )
        self._model = model

    async def transcribe(self, audio: bytes, media_type: str) -> str:
        kind = media_type.partition(";")[0].strip().lower()
        ending = _ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ".ogg"
        try:
            # A name of our own: what the person called the file is nobody's business there.
            heard = await self._client.audio.transcriptions.create(
                model=self._model, file=(f"voice{ending}", audio, kind), response_format="json"
            )
            return heard.text.strip()
        except FOREIGN as error:
            failure = map_error(error)
        raise failure

    async def close(self) -> None:
        await self._client.close()
