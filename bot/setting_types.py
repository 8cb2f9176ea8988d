"""What a setting's value may look like, and how a wrong one is told. No environment is read here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*([smhd])\s*", re.IGNORECASE)
_RATE = re.compile(r"\s*\d{1,9}\s*/\s*(second|minute|hour|day)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The end of the sentence "allowed is …", for types whose bounds do not say it."""

    text: str


def variable(name: str, default: Any, description: str, **bounds: Any) -> Any:
    """A field that is read from the environment variable `name`; `bounds` as `pydantic.Field` takes them."""
    return Field(default, validation_alias=name, description=description, validate_default=True, **bounds)


def parse_duration(value: object) -> object:
    """`90s`, `15m`, `12h`, `30d` as a timedelta. Raises ValueError for other text."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError
    return timedelta(seconds=float(match[1]) * _UNITS[match[2].lower()])


def parse_names(value: object) -> object:
    """`a, b,c` as ("a", "b", "c")."""
    return tuple(part for part in re.split(r"[,\s]+", value) if part) if isinstance(value, str) else value


def check_address(schemes: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme.lower() not in schemes or not parts.hostname:
            raise ValueError
        return value

    return AfterValidator(check)


def check_secret(pattern: str) -> AfterValidator:
    """Pydantic's own `pattern` does not look into a SecretStr."""

    def check(value: SecretStr) -> SecretStr:
        if not re.match(pattern, value.get_secret_value()):
            raise ValueError
        return value

    return AfterValidator(check)


def check_rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise ValueError
    return value


def check_word(value: str) -> str:
    if not value.strip() or any(ord(character) < 32 for character in value):
        raise ValueError
    return value.strip()


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Allowed("a duration such as 30s, 15m, 12h or 7d")]
Names = Annotated[tuple[str, ...], BeforeValidator(parse_names), Allowed("a list with commas between")]
HttpUrl = Annotated[str, check_address(("http", "https")), Allowed("an http:// or https:// address")]
SocketUrl = Annotated[str, check_address(("ws", "wss")), Allowed("a ws:// or wss:// address")]
Rate = Annotated[
    str, AfterValidator(check_rate), Allowed("a number per second, minute, hour or day, such as 60/minute")
]
Label = Annotated[str, AfterValidator(check_word), Allowed("one line of text that is not blank")]
DatabaseUrl = Annotated[
    SecretStr,
    check_secret(r"(sqlite|postgres(ql)?(\+psycopg)?)://."),
    Allowed("sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"),
]
RedisUrl = Annotated[SecretStr, check_secret(r"rediss?://."), Allowed("a redis:// or rediss:// address")]


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in set(_types(field.annotation))


def allowed_values(field: FieldInfo) -> str:
    """What the variable of a field may hold, as the end of a sentence."""
    metadata = [*field.metadata, *_metadata(field.annotation)]
    for item in metadata:
        if isinstance(item, Allowed):
            return item.text + _bounds(metadata)
    for kind in _types(field.annotation):
        if get_origin(kind) is Literal:
            return "one of " + ", ".join(str(choice) for choice in get_args(kind))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return "one of " + ", ".join(str(member.value) for member in kind)
        if kind is bool:
            return "on or off"
        if kind in (int, float):
            return ("a whole number" if kind is int else "a number") + _bounds(metadata)
    shortest = next((item.min_length for item in metadata if isinstance(item, MinLen)), 0)
    return f"a text of at least {shortest} characters" if shortest else "a text"


def _bounds(metadata: list[object]) -> str:
    low = next((item.ge if isinstance(item, Ge) else item.gt for item in metadata if isinstance(item, Ge | Gt)), None)
    high = next((item.le if isinstance(item, Le) else item.lt for item in metadata if isinstance(item, Le | Lt)), None)
    if low is not None and high is not None:
        return f" from {as_written(low)} to {as_written(high)}"
    return f", at least {as_written(low)}" if low is not None else ""


def as_written(value: object) -> str:
    """A value as one writes it into the environment; `''` for None."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit = next((unit for unit in "dhm" if seconds and seconds % _UNITS[unit] == 0), "s")
        return f"{seconds // _UNITS[unit]}{unit}"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value.value if isinstance(value, Enum) else value)


def _types(annotation: object) -> Iterator[object]:
    """The plain types that an annotation is made of, inside unions and Annotated."""
    if get_origin(annotation) is Literal:
        yield annotation
        return
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        inner = inner[:1]
    if not inner:
        yield annotation
    for part in inner:
        yield from _types(part)


def _metadata(annotation: object) -> Iterator[object]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _metadata(part)
