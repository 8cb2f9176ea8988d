"""Whatever the SDK raises has one of our three names, and none of its words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

from adapters.platforms.discord.errors import RETRY_UNTOLD, SDK_ERRORS, delivering, delivery_error, is_gone, is_over
from core.errors import (
    ConfigurationError,
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
)

assert app_commands  # its errors are among the SDK's


def every_kind(root: type[Exception]) -> Iterator[type[Exception]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith(("discord.", "aiohttp.")):
            yield kind
            yield from every_kind(kind)


def answered(
    status: int, code: int = 0, kind: type[discord.HTTPException] = discord.HTTPException, **headers: str
) -> Any:
    response: Any = SimpleNamespace(
        status=status, reason="", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return kind(response, {"code": code, "message": "secret words"})


def made(kind: type[Exception]) -> Exception:
    if issubclass(kind, discord.HTTPException):
        error: Exception = discord.HTTPException.__new__(kind)
        vars(error).update(vars(answered(403)))
        return error
    error = kind.__new__(kind)
    if isinstance(error, discord.RateLimited):
        error.retry_after = 1.0
    return error


@pytest.mark.parametrize(
    "kind", sorted({*every_kind(discord.DiscordException), *every_kind(aiohttp.ClientError)}, key=repr)
)
async def test_every_error_of_the_sdk_becomes_one_of_ours(kind: type[Exception]) -> None:
    error = made(kind)
    assert isinstance(error, SDK_ERRORS)
    assert isinstance(delivery_error(error), DeliveryRateLimited | DeliveryUnknown | DeliveryRefused)
    with pytest.raises(DeliveryError) as caught:
        async with delivering(1.0):
            raise error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(403, 50007, discord.Forbidden), DeliveryRefused),
        (answered(403, 50001, discord.Forbidden), DeliveryRefused),
        (answered(403, 50013, discord.Forbidden), DeliveryRefused),
        (answered(404, 10003, discord.NotFound), DeliveryRefused),
        (answered(400, 50035), DeliveryRefused),
        (answered(408), DeliveryUnknown),
        (answered(500, kind=discord.DiscordServerError), DeliveryUnknown),
        (answered(503, kind=discord.DiscordServerError), DeliveryUnknown),
        (aiohttp.ServerDisconnectedError(), DeliveryUnknown),
        (aiohttp.ServerTimeoutError(), DeliveryUnknown),
        (ConnectionResetError(), DeliveryUnknown),
        (TimeoutError(), DeliveryUnknown),
        (json.JSONDecodeError("no", "", 0), DeliveryUnknown),
        (RuntimeError("Session is closed"), DeliveryUnknown),
        (aiohttp.ConnectionTimeoutError(), DeliveryRateLimited),
        (aiohttp.InvalidURL("x"), DeliveryRefused),
        (discord.LoginFailure(), DeliveryRefused),
        (ConfigurationError("DISCORD_BOT_TOKEN"), DeliveryRefused),
    ],
    ids=lambda value: getattr(value, "__name__", f"{type(value).__name__} {getattr(value, 'status', '')}"),
)
async def test_what_may_be_tried_again_is_told_from_what_may_not(
    error: Exception, expected: type[DeliveryError]
) -> None:
    with pytest.raises(expected):
        async with delivering(1.0):
            raise error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (discord.RateLimited(300.0), 300.0),
        (answered(429, Retry_After="17.5"), 17.5),
        (answered(429, Retry_After="soon"), RETRY_UNTOLD),
        (answered(429), RETRY_UNTOLD),
    ],
    ids=lambda value: str(value) if isinstance(value, float) else type(value).__name__,
)
def test_a_rate_limit_says_how_long(error: Exception, seconds: float) -> None:
    found = delivery_error(error)
    assert isinstance(found, DeliveryRateLimited)
    assert found.retry_after == seconds


async def test_what_takes_too_long_may_have_arrived() -> None:
    with pytest.raises(DeliveryUnknown):
        async with delivering(0.0):
            await asyncio.Event().wait()


def test_a_message_that_is_gone_and_an_interaction_that_is_over_are_known() -> None:
    assert is_gone(answered(404, 10008))
    assert is_gone(answered(403, 50005))
    assert not is_gone(answered(403, 50013))
    assert all(is_over(answered(status, code)) for status, code in [(404, 10062), (404, 10015), (401, 50027)])
    assert is_over(RuntimeError("Session is closed"))
    assert not is_over(answered(500))
    assert not is_over(TimeoutError())
