"""`memorychat web`: the REST API and the web page."""

from __future__ import annotations

from bot.cli.common import load_settings, run_async


def web() -> None:
    """Serve the web page and the REST API until stopped."""
    settings = load_settings()
    from bot.web_runner import run

    run_async(run(settings))
