"""Reading a payload of any shape: what is missing or of another type is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Payload = Mapping[str, object]
EMPTY: Payload = {}


def part_of(data: Payload, key: str) -> Payload:
    value = data.get(key)
    return value if isinstance(value, dict) else EMPTY


def parts_of(data: Payload, key: str) -> Sequence[Payload]:
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


def text_of(data: Payload, *keys: str) -> str:
    """The first of these fields that holds text."""
    for key in keys:
        value = data.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def number_of(data: Payload, key: str) -> int:
    value = data.get(key)
    return value if isinstance(value, int) else 0
