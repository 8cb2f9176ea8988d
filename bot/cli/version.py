"""`memorychat version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

from bot.cli.common import say


def version() -> None:
    """Show the version."""
    say(f"memorychat {installed('memorychat')} (Python {platform.python_version()})")
