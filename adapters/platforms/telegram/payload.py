"""Reading a payload of any shape: what is missing or of another type is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EMPTY: Mapping[str, object] = {}


def part_of(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = data.get(key)
    return value if isinstance(value, dict) else EMPTY


def parts_of(data: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


def text_of(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def number_of(data: Mapping[str, object], key: str) -> int:
    value = data.get(key)
    return value if isinstance(value, int) else 0
