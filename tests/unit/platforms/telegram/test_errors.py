"""Every exception of the SDK has a meaning of ours, and what Telegram says about somebody's text is not passed on."""

from __future__ import annotations

import pytest
import telegram.error
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    PassportDecryptionError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from adapters.platforms.telegram.client import NotSent
from adapters.platforms.telegram.errors import delivery_error, mapped_errors
from core.errors import DeliveryError, DeliveryRateLimited, DeliveryRefused, DeliveryUnknown

MEANING: dict[type[TelegramError], type[DeliveryError]] = {
    TelegramError: DeliveryRefused,
    BadRequest: DeliveryRefused,
    ChatMigrated: DeliveryRefused,
    Conflict: DeliveryRefused,
    EndPointNotFound: DeliveryRefused,
    Forbidden: DeliveryRefused,
    InvalidToken: DeliveryRefused,
    NetworkError: DeliveryUnknown,
    PassportDecryptionError: DeliveryRefused,
    RetryAfter: DeliveryRateLimited,
    TimedOut: DeliveryUnknown,
}


@pytest.fixture(autouse=True)
def as_the_client_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


def test_the_list_is_the_sdks() -> None:
    sdk = {item for item in vars(telegram.error).values() if isinstance(item, type) and issubclass(item, TelegramError)}
    assert set(MEANING) == sdk


@pytest.mark.parametrize("kind", MEANING, ids=lambda kind: kind.__name__)
def test_each_exception_has_one_meaning(kind: type[TelegramError]) -> None:
    error = kind(300) if kind in (RetryAfter, ChatMigrated) else kind("their text: my secret")
    with pytest.raises(MEANING[kind]) as raised, mapped_errors():
        raise error
    assert type(raised.value) is MEANING[kind]
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_penalty_keeps_its_seconds() -> None:
    limited = delivery_error(RetryAfter(300))
    assert isinstance(limited, DeliveryRateLimited)
    assert limited.retry_after == 300.0


def test_the_sdks_older_numbers_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RetryAfter(300)
    monkeypatch.delenv("PTB_TIMEDELTA")
    with pytest.deprecated_call():
        limited = delivery_error(error)
    assert isinstance(limited, DeliveryRateLimited)
    assert limited.retry_after == 300.0


def test_a_connection_that_was_never_made_sent_nothing() -> None:
    assert isinstance(delivery_error(NotSent("ClientConnectorError")), DeliveryRateLimited)
