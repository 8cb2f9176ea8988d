"""The one place where the SDK's exceptions become ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord

from core.errors import (
    ConfigurationError,
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
)

SDK_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, json.JSONDecodeError, RuntimeError)
"""What a call of the SDK raises: its own errors, and those of aiohttp beneath it unchanged (RuntimeError: its session
was closed meanwhile; time-outs are OSErrors)."""

RETRY_UNREACHABLE = 5.0
"""Seconds until a Discord that took no connection is asked again."""

RETRY_UNTOLD = 30.0
"""Seconds to wait where a refusal for too many requests does not say how long."""

UNKNOWN_MESSAGE = 10_008
NOT_OURS_TO_EDIT = 50_005
CANNOT_MESSAGE_USER = 50_007
NO_HISTORY_TO_REPLY = 160_002

_OVER = (10_062, 10_015, 50_027)
"""Unknown interaction, unknown webhook, invalid webhook token
(https://discord.com/developers/docs/topics/opcodes-and-status-codes#json)."""


def delivery_error(error: Exception) -> DeliveryError:
    """Rate limits and what certainly was not sent may be tried again; time-outs, cut connections and server errors may
    have been done; every other refusal is for good. Only names and codes go into the message, never what was sent."""
    name = type(error).__name__
    if isinstance(error, discord.RateLimited):
        return DeliveryRateLimited(name, retry_after=error.retry_after)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return DeliveryRateLimited(name, retry_after=RETRY_UNREACHABLE)
    if isinstance(error, discord.HTTPException):
        return _answered(error)
    if isinstance(error, discord.DiscordException | aiohttp.InvalidURL | ConfigurationError):
        return DeliveryRefused(name)
    return DeliveryUnknown(name)


@asynccontextmanager
async def delivering(seconds: float) -> AsyncIterator[None]:
    """Raises DeliveryError for what the SDK raises within, or when it takes longer; without the SDK's text, which can
    quote Discord's answer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*SDK_ERRORS, ConfigurationError) as error:
        raise delivery_error(error) from None


def is_gone(error: Exception) -> bool:
    """Whether a message cannot be edited any more, so that it has to be sent anew."""
    return isinstance(error, discord.HTTPException) and error.code in (UNKNOWN_MESSAGE, NOT_OURS_TO_EDIT)


def is_over(error: Exception) -> bool:
    """Whether an interaction takes no answer any more: too old, or its client's connections are closed."""
    if isinstance(error, discord.HTTPException):
        return error.code in _OVER or error.status in (401, 404)
    return isinstance(error, RuntimeError)


def _answered(error: discord.HTTPException) -> DeliveryError:
    name = f"{type(error).__name__} {error.status} {error.code}"
    if error.status == 429:
        return DeliveryRateLimited(name, retry_after=_retry_after(error))
    return DeliveryUnknown(name) if error.status >= 500 or error.status == 408 else DeliveryRefused(name)


def _retry_after(error: discord.HTTPException) -> float:
    """The SDK hands on a 429 of the proxy before Discord, whose body is no JSON, with its headers."""
    try:
        return max(0.0, float(error.response.headers["Retry-After"]))
    except (KeyError, ValueError, AttributeError):
        return RETRY_UNTOLD
