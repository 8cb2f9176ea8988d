"""The one place where the SDK's exceptions become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from telegram.error import BadRequest, NetworkError, RetryAfter, TelegramError

from adapters.platforms.telegram.client import NotSent
from core.errors import DeliveryError, DeliveryRateLimited, DeliveryRefused, DeliveryUnknown

RETRY_UNREACHABLE = 2.0
"""Seconds until a server that took no connection is asked again."""


def delivery_error(error: TelegramError) -> DeliveryError:
    """BadRequest is asked first: the SDK makes it a NetworkError although nothing is uncertain about it. What is left
    of NetworkError (time-outs, cut connections, 5xx) may have been delivered. Everything else is for good: blocked,
    kicked, no such chat, token revoked, unknown method."""
    name = type(error).__name__
    if isinstance(error, RetryAfter):
        return DeliveryRateLimited(name, retry_after=retry_seconds(error))
    if isinstance(error, NotSent):
        return DeliveryRateLimited(name, retry_after=RETRY_UNREACHABLE)
    if isinstance(error, NetworkError) and not isinstance(error, BadRequest):
        return DeliveryUnknown(name)
    return DeliveryRefused(name)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raises `delivery_error` of what the SDK raises within; without its text, which quotes what was sent."""
    try:
        yield
    except TelegramError as error:
        raise delivery_error(error) from None


def retry_seconds(error: RetryAfter) -> float:
    """The SDK gives a number or a timedelta, depending on its settings."""
    value = error.retry_after
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def is_not_modified(error: BadRequest) -> bool:
    """Telegram refuses an edit that changes nothing; it has no code for it but this text."""
    return "not modified" in error.message.lower()
