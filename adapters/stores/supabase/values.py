"""Values as JSON carries them, and JSON as the rows that `adapters.stores.sql.rows` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import JSON, Date, Table

from adapters.stores.sql.rows import AnyRow
from adapters.stores.sql.schema import Moment, Words, escaped, unescaped_json

Convert = Callable[[Any], Any]


class JsonRow(SimpleNamespace):
    """One row: attributes by column, in the table's order when iterated over."""

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self).values())


def to_json(value: object) -> Any:
    """As a REST request carries it: times in UTC, and what Postgres refuses in a text escaped as the schema does."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {escaped(name): to_json(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [to_json(item) for item in value]
    return value


def row_of(table: Table, data: Mapping[str, Any]) -> AnyRow:
    """A row of the table; what is beside its columns (`memory_count`) comes along as it is."""
    values = {name: convert(data[name]) for name, convert in _converters(table)}
    extras = {name: value for name, value in data.items() if name not in values}
    return cast("AnyRow", JsonRow(**values, **extras))


def maybe_row(table: Table, data: Mapping[str, Any] | None) -> AnyRow | None:
    return row_of(table, data) if data is not None else None


def rows_of(table: Table, data: Any) -> list[AnyRow]:
    """Of a list of JSON objects, which the client types as any JSON."""
    return [row_of(table, item) for item in data]


@cache
def _converters(table: Table) -> tuple[tuple[str, Convert], ...]:
    return tuple((column.name, _converter(column.type)) for column in table.columns)


def _converter(kind: object) -> Convert:
    if isinstance(kind, Moment):
        return _moment
    if isinstance(kind, Date):
        return date.fromisoformat
    if kind is Words or isinstance(kind, JSON):
        return unescaped_json
    return _as_it_is


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _as_it_is(value: Any) -> Any:
    return value
