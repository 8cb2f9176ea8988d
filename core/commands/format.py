"""Small pieces of text that several commands share, in canonical Markdown."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_QUOTE = 300

_SPECIAL = re.compile(r"([\\`*_\[\]<|~&])")


def plain(text: str) -> str:
    """A person's words inside Markdown: on one line, with nothing in them acting as markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def quoted(text: str, limit: int = MAX_QUOTE) -> str:
    """The same in quotation marks, cut after `limit` characters."""
    line = " ".join(text.split())
    return f"“{plain(line if len(line) <= limit else line[: limit - 1].rstrip() + '…')}”"


def day(moment: datetime, timezone: str) -> str:
    """The date in a person's time zone: `3 May 2026`. An unknown zone counts as UTC."""
    local = moment.astimezone(zone(timezone))
    return f"{local.day} {local:%b} {local.year}"


def zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def count(number: int, one: str, many: str = "") -> str:
    """`1 memory`, `3 memories`: the plural is `many`, else `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def memories(number: int) -> str:
    return count(number, "memory", "memories")
