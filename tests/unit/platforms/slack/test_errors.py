"""Every exception that the SDK can raise becomes one of ours."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import slack_sdk.errors
from slack_sdk.errors import SlackApiError, SlackClientError

from adapters.platforms.slack.errors import delivering, delivery_error, error_code, refused_token, retry_after_of
from core.errors import (
    ConfigurationError,
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
)


@dataclass
class Response:
    data: Any = field(default_factory=dict)
    status_code: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def api_error(error: str, status: int = 200, **headers: str) -> SlackApiError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SlackApiError("failed", Response({"ok": False, "error": error, "text": "my secret"}, status, named))


def every(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from every(child)


def made(kind: type[Exception]) -> Exception:
    """An instance without the arguments that each class wants."""
    return kind.__new__(kind)


def test_every_exception_of_the_sdk_and_of_its_transport_is_ours() -> None:
    listed = {kind for _, kind in inspect.getmembers(slack_sdk.errors, inspect.isclass)}
    assert listed == set(every(SlackClientError))
    for kind in {*listed, *every(aiohttp.ClientError), TimeoutError, json.JSONDecodeError} - {SlackApiError}:
        assert type(delivery_error(made(kind))) in (DeliveryRateLimited, DeliveryUnknown, DeliveryRefused), kind


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (made(aiohttp.ClientConnectorError), DeliveryRateLimited),
        (made(aiohttp.ClientConnectorDNSError), DeliveryRateLimited),
        (made(aiohttp.ConnectionTimeoutError), DeliveryRateLimited),
        (made(aiohttp.ServerTimeoutError), DeliveryUnknown),
        (made(aiohttp.ServerDisconnectedError), DeliveryUnknown),
        (made(aiohttp.ClientOSError), DeliveryUnknown),
        (TimeoutError(), DeliveryUnknown),
        (made(aiohttp.InvalidURL), DeliveryRefused),
        (slack_sdk.errors.SlackRequestError("bad"), DeliveryRefused),
        (api_error("not_in_channel"), DeliveryRefused),
        (api_error("msg_too_long"), DeliveryRefused),
        (api_error("missing_scope"), DeliveryRefused),
        (api_error("ratelimited", 429), DeliveryRateLimited),
        (api_error("request_timeout"), DeliveryRateLimited),
        (api_error("internal_error"), DeliveryUnknown),
        (api_error("anything", 502), DeliveryUnknown),
        (SlackApiError("no JSON", Response(b"", 200)), DeliveryUnknown),
        (SlackApiError("a page", Response({}, 404)), DeliveryRefused),
    ],
)
def test_what_may_have_arrived_is_told_from_what_has_not(error: Exception, expected: type[DeliveryError]) -> None:
    assert type(delivery_error(error)) is expected


def test_the_seconds_to_wait_are_slacks() -> None:
    limited = delivery_error(api_error("ratelimited", 429, Retry_After="300"))
    assert isinstance(limited, DeliveryRateLimited)
    assert limited.retry_after == 300
    assert retry_after_of({}, 30.0) == 30.0
    assert retry_after_of({"Retry-After": "soon"}, 30.0) == 30.0
    assert retry_after_of(None, 30.0) == 30.0
    assert retry_after_of({"Retry-After": "-5"}, 30.0) == 0.0


def test_nothing_that_slack_answered_is_in_the_error() -> None:
    with pytest.raises(DeliveryError) as raised, delivering():
        raise api_error("cant_update_message")
    assert raised.value.args == ("cant_update_message",)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_refused_token_is_a_mistake_in_the_settings_and_an_outage_is_not() -> None:
    with pytest.raises(ConfigurationError), refused_token("SLACK_BOT_TOKEN", "look it up"):
        raise api_error("invalid_auth")
    with pytest.raises(SlackApiError), refused_token("SLACK_BOT_TOKEN", "look it up"):
        raise api_error("fatal_error")


def test_a_server_without_a_method_is_known_by_word_or_status() -> None:
    assert error_code(api_error("unknown_method")) == "unknown_method"
    assert error_code(SlackApiError("a page", Response({}, 404))) == "unknown_method"
    assert error_code(TimeoutError()) == ""
