"""`memorychat run`: every configured platform in one process."""

from __future__ import annotations

from bot.cli.common import load_settings, run_async


def run() -> None:
    """Serve every configured platform until stopped."""
    settings = load_settings()
    from bot.runner import run as serve

    run_async(serve(settings))
