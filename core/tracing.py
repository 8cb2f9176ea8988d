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


def where(error: BaseException) -> str:
    """The innermost place an error was raised at, as `file:line`: what an operator needs and no text of anybody."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else "?"
