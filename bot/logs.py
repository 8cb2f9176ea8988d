"""Log lines: ids and sizes, never content.

Three defences, each enough for the usual case: the code logs no content; records of other packages keep their name,
level and place but not their text (they quote messages, memories and tokens in URLs: facts/platforms.md); and whatever
still looks like a token or an e-mail address is masked. Exceptions show their type and where they were raised; their
text can quote a request, so it is left out.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.errors import MemoryChatError
from core.tracing import current_turn

OWN = ("core", "adapters", "bot")
HARMLESS = ("uvicorn.error", "alembic")
"""Loggers of others whose text is about the process alone."""

QUIET = (
    "aiohttp",
    "alembic",
    "asyncio",
    "apscheduler",
    "discord",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "mem0",
    "openai",
    "procrastinate",
    "qdrant_client",
    "slack_bolt",
    "slack_sdk",
    "sqlalchemy",
    "telegram",
    "uvicorn.access",
    "websockets",
)
"""Loggers held at WARNING whatever LOG_LEVEL is: below it most print bodies, texts or tokens, the rest only noise."""

_SECRET_SHAPES = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|\d{6,12}:[\w-]{30,}|\b(?:sk|sb_secret|mc|m0)[-_][\w-]{12,}"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*|\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}|(?i:\bbearer\s+)\S+"
    r"|(?<=://)[^/\s@]+@|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
)
MASK = "***"


class Redactor:
    """Masks token-like text and the given secret values. Secrets shorter than 8 characters are not searched for."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _SECRET_SHAPES.sub(MASK, text)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self.text(value) if isinstance(value, str) else value for key, value in event.items()}


def set_up_logging(level: str, style: str, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send every record of the process to `stream` (stderr) as JSON or for eyes; `style` is `auto|console|json`."""
    stream = stream or sys.stderr
    as_json = style == "json" or (style == "auto" and not stream.isatty())
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_withhold_foreign_text],
        processors=[
            _add_origin,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _describe_exception,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            Redactor(secrets),
            render,
        ],
    )
    handler = _QuietHandler(stream)
    handler.setFormatter(formatter)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    logging.captureWarnings(True)
    _take_over_loggers()
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _take_over_loggers() -> None:
    """Undo what libraries arranged for their loggers: a handler of their own would print past the redactor."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
            if _is(name, HARMLESS):
                logger.setLevel(logging.NOTSET)


class _QuietHandler(logging.StreamHandler[TextIO]):
    """Never prints a record again as part of an error report, as the standard one does."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        del record


def _is(name: str, families: Iterable[str]) -> bool:
    return any(name == family or name.startswith(family + ".") for family in families)


def _withhold_foreign_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    if not _is(record.name, (*OWN, *HARMLESS)):
        event["event"] = f"{record.module}.{record.funcName}:{record.lineno} (text withheld)"
    return event


def _add_origin(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    event["level"] = record.levelname.lower()
    if turn := current_turn.get():
        event["turn"] = turn
    return event


def _describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    event.pop("stack_info", None)
    return event


def describe_exception(error: BaseException) -> str:
    """Types and places of an exception and its causes, outermost first: `KeyError at core.inbox:41 < …`.

    Of the product's own errors the `args` are shown too: they hold ids and sizes only.
    """
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 8:
        shown = type(current).__name__
        if isinstance(current, MemoryChatError) and current.args:
            shown += repr(tuple(current.args))
        frames = traceback.extract_tb(current.__traceback__)[-3:]
        where = " > ".join(f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno}" for frame in frames)
        parts.append(f"{shown} at {where}" if where else shown)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return " < ".join(parts)
