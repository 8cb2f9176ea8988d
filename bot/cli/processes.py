"""`memorychat run`, and what it does shared among processes on Postgres: `gateway`, `worker` and `web`."""

from __future__ import annotations

import asyncio
import signal
import sys

import typer

from bot.cli.common import load_settings, note, run_async


def run() -> None:
    """Start every configured platform, the web page and the API, and serve them until stopped."""
    _serve("alone")


def gateway() -> None:
    """Hear every platform that has to be connected to until stopped; a second one waits until the first is gone."""
    _serve("gateway")


def worker() -> None:
    """Answer what the others accepted until stopped; start as many as you need."""
    _serve("worker")


def web() -> None:
    """Serve the web page and the REST API, and take what platforms push, until stopped."""
    _serve("web")


def health() -> None:
    """Ask the process on OPERATIONS_PORT whether it is ready: exit code 0 and no word when it is."""
    settings = load_settings()
    from bot.operations import look

    if problem := asyncio.run(look(settings)):
        note(problem)
        raise typer.Exit(1)


def _serve(duty: str) -> None:
    # A stop while modules load ends at once and well; from then on `run` listens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_settings()
    from bot.bootstrap import Duty
    from bot.runner import run

    run_async(run(settings, Duty(duty)))
