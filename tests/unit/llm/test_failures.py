"""Every exception of the SDK has a counterpart: the test walks the SDK's own list."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import openai
import pytest
from openai import _exceptions
from openai.types.chat import ChatCompletion

from adapters.llm.failures import FOREIGN, map_error, retry_after
from core import errors
from core.errors import ModelError

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")
CANARY = "canary-51c0"
EXPECTED = {
    "APIConnectionError": errors.ModelUnavailable,
    "APIError": errors.ModelUnavailable,
    "APIResponseValidationError": errors.MalformedAnswer,
    "APIStatusError": errors.ModelRejected,
    "APITimeoutError": errors.ModelTimeout,
    "AuthenticationError": errors.ModelAuthError,
    "BadRequestError": errors.ModelRejected,
    "ConflictError": errors.ModelUnavailable,
    "ContentFilterFinishReasonError": errors.ModelRejected,
    "InternalServerError": errors.ModelUnavailable,
    "InvalidWebhookSignatureError": errors.MalformedAnswer,
    "LengthFinishReasonError": errors.MalformedAnswer,
    "NotFoundError": errors.ModelRejected,
    "OAuthError": errors.ModelAuthError,
    "OpenAIError": errors.ModelAuthError,
    "PermissionDeniedError": errors.ModelAuthError,
    "RateLimitError": errors.ModelRateLimited,
    "SubjectTokenProviderError": errors.ModelAuthError,
    "UnprocessableEntityError": errors.ModelRejected,
    "WebSocketConnectionClosedError": errors.ModelInterrupted,
    "WebSocketQueueFullError": errors.ModelUnavailable,
}
SDK_EXCEPTIONS = {
    name: cls for name, cls in vars(_exceptions).items() if inspect.isclass(cls) and issubclass(cls, Exception)
}


def raised(cls: type[Exception]) -> Exception:
    """One of that kind, with a canary wherever a text can stand."""
    status = getattr(cls, "status_code", 418)
    response = httpx2.Response(status if isinstance(status, int) else 500, request=REQUEST)
    values: dict[str, object] = {
        "message": CANARY,
        "request": REQUEST,
        "response": response,
        "body": {"message": CANARY, "code": CANARY + " " + CANARY},
        "unsent_messages": [CANARY],
        "completion": ChatCompletion.model_construct(usage=None),
    }
    own_init = cls.__init__ is not Exception.__init__ and cls.__init__ is not ValueError.__init__
    wanted = [name for name in inspect.signature(cls.__init__).parameters if name in values] if own_init else []
    if wanted:
        return cls(**{name: values[name] for name in wanted})
    return cls(CANARY)


def test_the_list_below_is_the_sdks() -> None:
    assert set(SDK_EXCEPTIONS) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_sdk_exception_has_its_counterpart_without_its_text(name: str) -> None:
    error = raised(SDK_EXCEPTIONS[name])
    assert isinstance(error, FOREIGN)
    failure = map_error(error)
    assert type(failure) is EXPECTED[name]
    assert CANARY not in repr(failure)
    assert name in failure.args


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.ReadTimeout(CANARY), errors.ModelTimeout),
        (httpx2.ConnectError(CANARY), errors.ModelUnavailable),
        (httpx2.StreamConsumed(), errors.ModelInterrupted),
        (json.JSONDecodeError(CANARY, CANARY, 0), errors.MalformedAnswer),
    ],
)
def test_what_passes_the_sdk_by_is_mapped_too(error: Exception, kind: type[ModelError]) -> None:
    failure = map_error(error)
    assert type(failure) is kind
    assert CANARY not in repr(failure)


def test_a_person_is_told_what_helps() -> None:
    response = httpx2.Response(400, request=REQUEST)
    too_long = openai.BadRequestError("x", response=response, body={"code": "context_length_exceeded"})
    assert "/new" in map_error(too_long).user_message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
    ],
)
def test_retry_after_as_servers_write_it(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date_to_come() -> None:
    wait = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert wait is not None
    assert 50 < wait <= 60
