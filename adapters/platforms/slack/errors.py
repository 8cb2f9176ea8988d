"""The one place where the SDK's exceptions become ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from adapters.platforms.payload import text_of
from core.errors import ConfigurationError, DeliveryError, DeliveryRateLimited, DeliveryRefused, DeliveryUnknown

SDK_ERRORS = (SlackClientError, aiohttp.ClientError, asyncio.TimeoutError, json.JSONDecodeError)
"""What a call of the SDK raises: its own errors, and those of aiohttp beneath it unchanged."""

RETRY_UNREACHABLE = 5.0
"""Seconds until a Slack that took no connection, or called itself unavailable, is asked again."""

_RATE_LIMITED = ("ratelimited", "rate_limited")
_NOT_DONE = ("service_unavailable", "request_timeout", "team_added_to_org")
_MAYBE_DONE = ("internal_error", "fatal_error", "")
"""Some of it may have happened, as Slack's reference says of these two; no code at all is a proxy's page."""

BAD_TOKEN = (
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
    "missing_scope",
)

NOT_HERE = ("unknown_method", "feature_not_enabled")
"""The server does not have that method, now or later."""


def error_code(error: Exception) -> str:
    """Slack's own word for what went wrong, `unknown_method` for a server without that path, `''` for anything else."""
    if not isinstance(error, SlackApiError):
        return ""
    data = getattr(error.response, "data", None)
    code = text_of(data, "error") if isinstance(data, dict) else ""
    return code or ("unknown_method" if _status(error) in (404, 405, 501) else "")


def delivery_error(error: Exception) -> DeliveryError:
    """Rate limits and what certainly was not done may be tried again; time-outs, cut connections and server errors may
    have been done; every other refusal is for good. Only codes go into the message, never what was sent."""
    name = error_code(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return DeliveryRateLimited(name, retry_after=RETRY_UNREACHABLE)
    if isinstance(error, aiohttp.InvalidURL):
        return DeliveryRefused(name)
    if isinstance(error, aiohttp.ClientError | asyncio.TimeoutError | json.JSONDecodeError):
        return DeliveryUnknown(name)
    if isinstance(error, SlackApiError):
        return _answered(error, name)
    return DeliveryRefused(name)


def retry_after_of(headers: object, default: float) -> float:
    """The seconds of a Retry-After header."""
    value = headers.get("Retry-After") if hasattr(headers, "get") else None
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return default


@contextmanager
def delivering() -> Iterator[None]:
    """Raises DeliveryError for what the SDK raises inside, without its text: that can hold an answer of Slack."""
    try:
        yield
    except SDK_ERRORS as error:
        raise delivery_error(error) from None


@contextmanager
def refused_token(setting: str, hint: str) -> Iterator[None]:
    """Raises ConfigurationError when Slack does not take the token of that setting."""
    try:
        yield
    except SlackApiError as error:
        if error_code(error) in BAD_TOKEN:
            raise ConfigurationError(f"{setting}: Slack refuses it ({error_code(error)}); {hint}") from None
        raise


def _answered(error: SlackApiError, name: str) -> DeliveryError:
    code, status = error_code(error), _status(error)
    if status == 429 or code in _RATE_LIMITED:
        return DeliveryRateLimited(name, retry_after=retry_after_of(getattr(error.response, "headers", None), 30.0))
    if code in _NOT_DONE:
        return DeliveryRateLimited(name, retry_after=RETRY_UNREACHABLE)
    return DeliveryUnknown(name) if status >= 500 or code in _MAYBE_DONE else DeliveryRefused(name)


def _status(error: SlackApiError) -> int:
    """The SDK gives its own response, or aiohttp's when the body was no JSON."""
    for field in ("status_code", "status"):
        value = getattr(error.response, field, None)
        if isinstance(value, int):
            return value
    return 0
