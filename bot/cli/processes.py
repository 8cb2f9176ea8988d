"""`memorychat run`, and what it does shared among processes on Postgres: `gateway`, `worker` and `web`."""

from __future__ import annotations

from bot.cli.common import load_settings, run_async


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


def _serve(duty: str) -> None:
    settings = load_settings()
    from bot.bootstrap import Duty
    from bot.runner import run

    run_async(run(settings, Duty(duty)))
