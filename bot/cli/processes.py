"""`memorychat gateway` and `memorychat worker`: what `run` does, shared among processes on Postgres."""

from __future__ import annotations

from bot.cli.common import load_settings, run_async


def gateway() -> None:
    """Hear every configured platform until stopped; a second one waits until the first is gone."""
    _serve("gateway")


def worker() -> None:
    """Answer what the gateway accepted until stopped; start as many as you need."""
    _serve("worker")


def _serve(duty: str) -> None:
    settings = load_settings()
    from bot.bootstrap import Duty
    from bot.runner import run

    run_async(run(settings, Duty(duty)))
