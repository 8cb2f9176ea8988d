"""Any server that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, llama.cpp, LiteLLM."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import stamina
from stamina.instrumentation import LoggingOnRetryHook, PrometheusOnRetryHook, set_on_retry_hooks

from adapters.llm.answers import Reading, bare_json, broken_off, empty_answer, text_of, usage_of
from adapters.llm.dialect import Request
from adapters.llm.tokens import TokenCounter
from core import prompts
from core.errors import MalformedAnswer, ModelRateLimited, ModelRejected, ModelUnavailable
from core.ports.language_model import (
    Answer,
    ModelDelta,
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelUsage,
    PromptContext,
)
from core.types import Metadata, RecalledMemory, Role

if TYPE_CHECKING:
    from adapters.llm.client import Client

P = ParamSpec("P")
T = TypeVar("T")

CLIENT = "adapters.llm.client"
"""Takes half a second to import: at the first call, unless `bot/runner.py` has done it once the platforms are heard."""

LONGEST_RETRY_AFTER = 30.0
"""Seconds. A server that asks for more is not waited for: the person is told at once and can /retry."""

IMAGE_TOKENS = 85
"""What an image costs at least (OpenAI's low detail); only used where the server does not count."""

UNSEEN_IMAGE = "[an image that this language model cannot see]"


class OpenAILanguageModel:
    """`LanguageModel` on the chat completions API.

    `timeout` is the longest wait in seconds for the next piece of an answer; `retries` the tries after the first
    failed one, with exponential backoff from `backoff` seconds and jitter, or as long as Retry-After says; retries end
    after twice the `timeout`. Only what failed before an answer began is retried, and only what may pass.
    """

    def __init__(
        self,
        api_key: str,
        model: str,
        *,
        base_url: str = "",
        temperature: float = 0.7,
        max_tokens: int = 1000,
        retries: int = 3,
        timeout: float = 60.0,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        supports_images: bool = True,
        backoff: float = 0.5,
    ) -> None:
        self._server = (api_key, base_url, timeout)
        self._client: Client | None = None
        self._model = model
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._max_tokens_field = max_tokens_field
        self._retries = retries
        self._timeout = timeout
        self._backoff = backoff
        self._supports_images = supports_images
        self._tokens = TokenCounter(model)
        _keep_content_out_of_logs()

    @property
    def name(self) -> str:
        return self._model

    @property
    def is_offline(self) -> bool:
        return False

    async def generate_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
        response_schema: Metadata | None = None,
    ) -> Answer:
        """Raises the ModelError tree; MalformedAnswer for an empty answer. With a schema the server is asked to keep to
        it, or, where it cannot, told to answer in JSON; what surrounds the JSON is cut off."""
        request = self._request(messages, context, temperature, max_tokens, private)
        if response_schema is not None:
            schema = {"name": "answer", "schema": response_schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        client = await self._connected()
        completion = await self._retry_with_backoff(client.complete, request)
        text, finish_reason = text_of(completion)
        if not text.strip():
            raise empty_answer(finish_reason)
        usage = usage_of(completion.usage) or self._estimate(request, text)
        return Answer(bare_json(text) if response_schema is not None else text, finish_reason, usage)

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        request = self._request(messages, context, temperature, max_tokens, private)
        request |= {"stream": True, "stream_options": {"include_usage": True}}
        client = await self._connected()
        from adapters.llm.failures import FOREIGN, NOT_A_MODEL, map_error

        stream = await self._retry_with_backoff(client.open, request)
        reading, failure = Reading(), None
        async with stream:
            try:
                async for chunk in stream:
                    if text := reading.take(chunk):
                        yield ModelDelta(text)
            except FOREIGN as error:
                failure = map_error(error)
        if (
            failure is None
            and reading.is_empty
            and "event-stream" not in stream.response.headers.get("content-type", "")
        ):
            raise ModelRejected("no stream", user_message=NOT_A_MODEL)
        if not reading.finish_reason:
            raise broken_off(failure, reading.text)
        if not reading.text.strip():
            raise empty_answer(reading.finish_reason)
        yield ModelFinished(reading.finish_reason, reading.usage or self._estimate(request, reading.text))

    def count_tokens(self, text: str) -> int:
        """OpenAI's own count for its models (an estimate until the table is loaded); an estimate for others."""
        return self._tokens.count(text)

    def format_memory_context(self, memories: Sequence[RecalledMemory]) -> str:
        return prompts.format_memory_context(memories)

    def validate_messages(self, messages: Sequence[ModelMessage]) -> None:
        prompts.validate_messages(messages)

    async def check(self) -> None:
        request = self._request([ModelMessage(Role.USER, "Hi")], None, None, 1, private=True)
        text_of(await (await self._connected()).complete(request))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> Client:
        if self._client is None:
            await asyncio.to_thread(import_module, CLIENT)
        if self._client is None:
            from adapters.llm.client import Client

            self._client = Client(*self._server)
        return self._client

    # -- the request ------------------------------------------------------------------------------------------------

    def _request(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None,
        temperature: float | None,
        max_tokens: int | None,
        private: bool,
    ) -> Request:
        self.validate_messages(messages)
        request: Request = {
            "model": self._model,
            "messages": self._prepare_messages(messages, context),
            "temperature": self._temperature if temperature is None else temperature,
            self._max_tokens_field: self._max_tokens if max_tokens is None else max_tokens,
        }
        return {**request, "store": False} if private else request

    def _build_system_prompt(self, context: PromptContext) -> str:
        return prompts.build_system_prompt(context)

    def _prepare_messages(
        self, messages: Sequence[ModelMessage], context: PromptContext | None
    ) -> list[dict[str, object]]:
        prepared: list[dict[str, object]] = []
        if context is not None:
            prepared.append({"role": "system", "content": self._build_system_prompt(context)})
            *earlier, last = messages
            messages = (*earlier, replace(last, content=prompts.framed(prompts.with_speaker(last), context), name=""))
        prepared.extend({"role": str(item.role), "content": self._content(item)} for item in messages)
        return prepared

    def _content(self, message: ModelMessage) -> str | list[dict[str, object]]:
        # The speaker stands in the text: several servers refuse the `name` field, and OpenAI's takes ASCII only.
        text = prompts.with_speaker(message)
        if not message.images:
            return text
        if not self._supports_images:
            return "\n".join((text, *(UNSEEN_IMAGE for _ in message.images))).strip()
        parts: list[dict[str, object]] = [{"type": "text", "text": text}] if text else []
        parts.extend({"type": "image_url", "image_url": {"url": url}} for url in message.images)
        return parts

    # -- the call ---------------------------------------------------------------------------------------------------

    async def _retry_with_backoff(self, func: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call until it works, fails for good or the tries are used up. Raises the last ModelError."""
        async for attempt in stamina.retry_context(
            on=_worth_waiting,
            attempts=self._retries + 1,
            timeout=2 * self._timeout,
            wait_initial=self._backoff,
            wait_max=LONGEST_RETRY_AFTER,
            wait_jitter=self._backoff,
        ):
            with attempt:
                return await func(*args, **kwargs)
        raise ModelUnavailable("no try left")

    def _estimate(self, request: Request, answer: str) -> ModelUsage:
        asked = sum(self._cost(message["content"]) + prompts.MESSAGE_OVERHEAD_TOKENS for message in request["messages"])
        return ModelUsage(asked, self.count_tokens(answer), estimated=True)

    def _cost(self, content: str | list[dict[str, Any]]) -> int:
        if isinstance(content, str):
            return self.count_tokens(content)
        return sum(self.count_tokens(part["text"]) if "text" in part else IMAGE_TOKENS for part in content)


def _worth_waiting(error: Exception) -> bool | float:
    """For stamina: whether to try again, or after how many seconds."""
    if isinstance(error, ModelRateLimited) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else False
    return isinstance(error, ModelUnavailable | MalformedAnswer)


def _keep_content_out_of_logs() -> None:
    """At DEBUG the client prints whole requests; stamina's default hook prints to stdout through structlog."""
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    set_on_retry_hooks([LoggingOnRetryHook, PrometheusOnRetryHook])
