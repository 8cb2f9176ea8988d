"""Log lines hold ids and sizes; whatever else somebody puts into a record does not come out."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.logs import QUIET, Redactor, describe_exception, set_up_logging
from core.errors import ModelUnavailable, StoreError
from core.tracing import turn_context

CANARY = "rex-the-dog"
TOKENS = (
    "xoxb-123456789012-abcdefghijkl",
    "xapp-1-A0123-456-abcdef0123456789",
    "123456789:AAE-abcdefghijklmnopqrstuvwxyz0123456",
    "sk-proj-abcdefghijklmnop1234",
    "sb_secret_abcdefghijklmnop",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123",
    "ann.other@example.org",
)

Lines = Callable[[], list[dict[str, str]]]


@contextmanager
def logging_to() -> Iterator[Lines]:
    """Logging as the product sets it up, read back as parsed JSON lines; put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in QUIET}
    stream = io.StringIO()
    set_up_logging("DEBUG", "json", secrets=["hunter2-hunter2"], stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def lines() -> Iterator[Lines]:
    with logging_to() as read:
        yield read


def test_a_line_of_ours_says_what_when_where_and_in_which_turn(lines: Lines) -> None:
    with turn_context("turn-1"), structlog.contextvars.bound_contextvars(platform="slack"):
        logging.getLogger("core.inbox").info("accepted %d characters", 12)
    logging.getLogger("core.inbox").info("idle")
    first, second = lines()
    assert first["event"] == "accepted 12 characters"
    assert (first["logger"], first["level"], first["turn"], first["platform"]) == (
        "core.inbox",
        "info",
        "turn-1",
        "slack",
    )
    assert first["timestamp"].endswith("Z")
    assert "turn" not in second


@pytest.mark.parametrize(
    "name", ["mem0.memory.main", "openai._base_client", "slack_bolt", "discord.http", "anything.else"]
)
def test_other_packages_keep_their_place_but_not_their_text(lines: Lines, name: str) -> None:
    logging.getLogger(name).warning("Updating memory with data=%s", CANARY)
    logging.getLogger(name).error(f"could not store {CANARY}")
    assert len(lines()) == 2
    for line in lines():
        assert CANARY not in json.dumps(line)
        assert line["logger"] == name
        assert "text withheld" in line["event"]


@pytest.mark.parametrize("name", QUIET)
def test_talkative_packages_are_silent_below_warning(lines: Lines, name: str) -> None:
    logging.getLogger(name).info(CANARY)
    logging.getLogger(f"{name}.inner").debug(CANARY)
    assert lines() == []


def test_the_server_may_say_where_it_listens(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://127.0.0.1:8000")
    assert lines()[0]["event"] == "Uvicorn running on http://127.0.0.1:8000"


def test_a_library_that_arranged_its_own_loggers_does_not_print_past_ours() -> None:
    theirs, elsewhere = logging.getLogger("uvicorn.error"), io.StringIO()
    theirs.addHandler(logging.StreamHandler(elsewhere))
    theirs.setLevel(logging.ERROR)
    theirs.propagate = False
    with logging_to() as lines:
        theirs.info("Application startup complete.")
        assert [line["event"] for line in lines()] == ["Application startup complete."]
    assert elsewhere.getvalue() == ""


def test_exceptions_show_types_and_places_not_their_text(lines: Lines) -> None:
    try:
        try:
            raise ValueError(f"400 Bad Request: {CANARY}")
        except ValueError as error:
            raise ModelUnavailable("attempt", 3) from error
    except ModelUnavailable:
        logging.getLogger("adapters.llm").exception("no answer")
    text = json.dumps(lines())
    assert CANARY not in text
    assert "ModelUnavailable('attempt', 3)" in text
    assert "ValueError" in text
    assert "test_logs.py" in text


def test_long_chains_of_exceptions_end(lines: Lines) -> None:
    error: Exception = StoreError("end")
    for number in range(20):
        try:
            raise KeyError(number) from error
        except KeyError as raised:
            error = raised
    assert describe_exception(error).count("KeyError") == 8
    assert describe_exception(StoreError()) == "StoreError"


@pytest.mark.parametrize("token", TOKENS)
def test_what_looks_like_a_token_or_an_address_is_masked(lines: Lines, token: str) -> None:
    logging.getLogger("core").warning("calling with %s now", token)
    (line,) = lines()
    assert token not in json.dumps(line)
    assert "***" in line["event"]


def test_a_token_inside_an_address_is_masked(lines: Lines) -> None:
    logging.getLogger("core").warning("https://api.telegram.org/bot123456789:AAE-%s/getMe", "x" * 31)
    assert lines()[0]["event"] == "https://api.telegram.org/bot***/getMe"


def test_configured_secrets_and_passwords_in_addresses_are_masked(lines: Lines) -> None:
    logging.getLogger("bot").info("key hunter2-hunter2, database postgresql://ann:pw@db/x, Authorization: Bearer abc")
    event = lines()[0]["event"]
    assert "hunter2" not in event
    assert "ann:pw" not in event
    assert "abc" not in event
    assert "db/x" in event


def test_warnings_are_records_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"about {CANARY}", stacklevel=1)
    assert CANARY not in json.dumps(lines())
    assert lines()[0]["logger"] == "py.warnings"


def test_a_record_that_cannot_be_formatted_is_not_printed_raw(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("core", logging.INFO, __file__, 1, "%d", (CANARY,), None)
    logging.getLogger().handlers[0].handle(record)
    assert CANARY not in capsys.readouterr().err
    assert CANARY not in json.dumps(lines())


def test_for_eyes_a_line_is_plain_text_without_colours_off_a_terminal() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    try:
        set_up_logging("INFO", "console", stream=stream)
        logging.getLogger("core").info("started")
        logging.getLogger("core").debug("not shown")
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = before[0], before[1]
    assert "started" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "not shown" not in stream.getvalue()


@given(st.text(), st.lists(st.text(min_size=8, max_size=30), max_size=3))
def test_a_masked_text_holds_no_secret(text: str, secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    shown = text + "".join(secrets) + text
    with suppress(UnicodeEncodeError):
        shown.encode()
    masked = redactor.text(shown)
    for secret in secrets:
        if "*" not in secret:
            assert secret not in masked
