"""The calls on the OpenAI client. Importing it takes half a second: `openai.py` does that in a thread, when needed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TypeVar, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream, BadRequestError, UnprocessableEntityError
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.llm.dialect import Dialect, Request
from adapters.llm.failures import FOREIGN, NOT_A_MODEL, is_page, map_error
from core.errors import ModelRejected

log = logging.getLogger(__name__)

T = TypeVar("T")

OPENAI_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0


class Client:
    """One server, in the way that it takes requests. `timeout` in seconds is for the next piece of an answer; nothing
    is tried again here. Raises the ModelError tree."""

    def __init__(self, api_key: str, base_url: str, timeout: float) -> None:
        self._sdk = AsyncOpenAI(
            api_key=api_key or "none",  # local servers need none, the client insists on one
            base_url=base_url or OPENAI_BASE_URL,  # never the client's own look into the environment
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            max_retries=0,
        )
        self._dialect = Dialect()

    async def complete(self, request: Request) -> ChatCompletion:
        return await _mapped(self._complete(request))

    async def open(self, request: Request) -> AsyncStream[ChatCompletionChunk]:
        return await _mapped(self._open(request))

    async def close(self) -> None:
        await self._sdk.close()

    async def _complete(self, request: Request) -> ChatCompletion:
        completion = await self._send(request)
        if isinstance(completion, ChatCompletion):
            return completion
        raise ModelRejected(type(completion).__name__, user_message=NOT_A_MODEL)

    async def _open(self, request: Request) -> AsyncStream[ChatCompletionChunk]:
        stream = cast("AsyncStream[ChatCompletionChunk]", await self._send(request))
        if is_page(stream.response.headers):
            await stream.close()
            raise ModelRejected("text/html", user_message=NOT_A_MODEL)
        return stream

    async def _send(self, request: Request) -> object:
        """One call, said again in another way as long as the server refuses something optional."""
        trying: list[str] = []
        while True:
            spoken = self._dialect.spoken(request, trying)
            try:
                # Not `chat.completions.create`: the request is in the server's own words already, and to walk through
                # forty messages in search of what to translate takes the SDK 10 ms of each answer.
                answer: object = await self._sdk.post(
                    "/chat/completions",
                    cast_to=ChatCompletion,
                    body=spoken,
                    stream=bool(spoken.get("stream")),
                    stream_cls=AsyncStream[ChatCompletionChunk],
                )
            except (BadRequestError, UnprocessableEntityError) as error:
                way = self._dialect.way_around(spoken, error, trying)
                if way is None:
                    raise
                trying.append(way)
                continue
            if trying:
                log.info("the language model's server takes %s", ", ".join(trying))
                self._dialect.learn(trying)
            return answer


async def _mapped(call: Awaitable[T]) -> T:
    """What it raises becomes a ModelError that drags no request or answer along."""
    try:
        return await call
    except FOREIGN as error:
        failure = map_error(error)
    if not failure.retryable:
        log.warning("language model: %s %s", type(failure).__name__, " ".join(map(str, failure.args)))
    raise failure
