"""Names of memory profiles: what is allowed, and when two are the same."""

from __future__ import annotations

import unicodedata

from core.errors import InvalidName

MAX_NAME = 40
DEFAULT_PROFILE = "personal"
ROOM_PROFILE = "room"


def clean_profile_name(text: str) -> str:
    """The name as it is stored: normalised (NFKC), inner blanks single, 1 to 40 visible characters.

    Raises:
        InvalidName: blank, too long, or with control, private-use or unassigned characters.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    if not name or len(name) > MAX_NAME or name.startswith("/"):
        raise InvalidName
    if any(unicodedata.category(character)[0] == "C" for character in name):
        raise InvalidName
    return name


def name_key(name: str) -> str:
    """Equal for names that a person would call the same: case, width and composition do not count."""
    return unicodedata.normalize("NFKC", name).casefold()
