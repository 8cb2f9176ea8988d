"""The id of the turn at work, for log lines; the log set-up adds it to every record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current_turn: ContextVar[str] = ContextVar("current_turn", default="")


@contextmanager
def turn_context(turn_id: str) -> Iterator[None]:
    token = current_turn.set(turn_id)
    try:
        yield
    finally:
        current_turn.reset(token)
