"""What the OpenAI client raises, as the product's errors. The one place that knows both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import openai

from core.errors import (
    MalformedAnswer,
    ModelAuthError,
    ModelError,
    ModelInterrupted,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
)

FOREIGN = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError, AttributeError, TypeError)
"""What a call can raise. ValueError: a chunk that is not JSON (json.JSONDecodeError), or not UTF-8. The SDK does not
validate answers: what is JSON of another shape shows as AttributeError or TypeError."""

_KINDS: tuple[tuple[type[Exception], type[ModelError]], ...] = (
    (openai.APITimeoutError, ModelTimeout),
    (openai.APIConnectionError, ModelUnavailable),
    (openai.RateLimitError, ModelRateLimited),
    (openai.AuthenticationError, ModelAuthError),
    (openai.PermissionDeniedError, ModelAuthError),
    (openai.ConflictError, ModelUnavailable),
    (openai.InternalServerError, ModelUnavailable),
    (openai.NotFoundError, ModelRejected),
    (openai.APIStatusError, ModelRejected),
    (openai.APIResponseValidationError, MalformedAnswer),
    (openai.APIError, ModelUnavailable),
    (openai.LengthFinishReasonError, MalformedAnswer),
    (openai.ContentFilterFinishReasonError, ModelRejected),
    (openai.WebSocketConnectionClosedError, ModelInterrupted),
    (openai.WebSocketQueueFullError, ModelUnavailable),
    (openai.OpenAIError, ModelAuthError),
    (httpx2.TimeoutException, ModelTimeout),
    (httpx2.HTTPError, ModelUnavailable),
    (httpx2.StreamError, ModelInterrupted),
    (ValueError, MalformedAnswer),
    (AttributeError, MalformedAnswer),
    (TypeError, MalformedAnswer),
)
"""First match wins. Plain OpenAIError is what the client raises when it has no credentials to send, plain APIError an
error frame in a stream."""

TOO_LONG = "This talk has become too long for my language model. /new starts a fresh one."
NOT_A_MODEL = "What answers at OPENAI_BASE_URL is no language model. My operator has to check that address."
NOT_THERE = "My language model is not there (404). My operator has to check OPENAI_MODEL and OPENAI_BASE_URL."
NO_CREDIT = "The account of my language model has no credit left. My operator has to look after it."

_GATEWAYS = {429, 502, 503, 504}
"""Statuses whose pages come from a proxy in front of a model that is away for now."""

_IDENTIFIER = re.compile(r"[\w.\-]{1,64}")


def map_error(error: Exception) -> ModelError:
    """The error's counterpart. Its args name type, status and code; texts and bodies, which can quote the prompt, stay
    behind, and it must be raised outside of the `except` block so that no traceback carries them along."""
    kind = next(ours for theirs, ours in _KINDS if isinstance(error, theirs))
    reason = _reason(error)
    if isinstance(error, openai.APIStatusError):
        return _map_status(error, kind, reason)
    return kind(*reason)


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a web page: no endpoint of a model, or a proxy that speaks for one."""
    return "text/html" in headers.get("content-type", "")


def _map_status(error: openai.APIStatusError, kind: type[ModelError], reason: tuple[str, ...]) -> ModelError:
    if error.code == "context_length_exceeded":
        return ModelRejected(*reason, user_message=TOO_LONG)
    if error.code == "insufficient_quota":  # a 429 that no waiting mends
        return ModelRejected(*reason, user_message=NO_CREDIT)
    if is_page(error.response.headers) and error.status_code not in _GATEWAYS:
        return ModelRejected(*reason, user_message=NOT_A_MODEL)
    if isinstance(error, openai.NotFoundError):
        return ModelRejected(*reason, user_message=NOT_THERE)
    if error.status_code == 408:
        return ModelTimeout(*reason)
    wait = retry_after(error.response.headers)
    if kind is ModelRateLimited or (kind is ModelUnavailable and wait is not None):
        return ModelRateLimited(*reason, retry_after=wait)
    return kind(*reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the server asks: `retry-after-ms`, or `retry-after` as seconds or date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= wait < float("inf"):
            return wait
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _reason(error: Exception) -> tuple[str, ...]:
    values = (type(error).__name__, getattr(error, "status_code", None), getattr(error, "code", None))
    return tuple(str(value) for value in values if value is not None and _IDENTIFIER.fullmatch(str(value)))
