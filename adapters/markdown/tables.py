"""Tables as text of fixed width."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

WIDEST = 90
"""Columns of a line. A wider table is given row by row instead: aligned it would break into unreadable lines, and a
single long cell would fill every row with blanks."""


class Table:
    """`rows[0]` is the header. Rows may be of unequal length."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._rows = rows
        self._widths = [max(map(width, column)) for column in zip_longest(*rows, fillvalue="")]

    @property
    def is_narrow(self) -> bool:
        """Whether it can be shown aligned; else it is given by its `records`."""
        return sum(self._widths) + 3 * len(self._widths) <= WIDEST

    def aligned(self) -> str:
        lines = [_aligned(row, self._widths) for row in self._rows]
        return "\n".join([lines[0], "-+-".join("-" * size for size in self._widths), *lines[1:]])

    def records(self) -> list[list[tuple[str, str]]]:
        """Each row as (name of the column, cell); the header alone when there are no rows."""
        header, *rows = self._rows
        records = [[pair for pair in zip_longest(header, row, fillvalue="") if pair[1]] for row in rows]
        return [record for record in records if record] or [[("", name) for name in header]]


def width(text: str) -> int:
    """Columns on a screen: East Asian wide characters and emoji take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200b\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [*row, *[""] * (len(widths) - len(row))]
    return " | ".join(cell + " " * (size - width(cell)) for cell, size in zip(cells, widths, strict=True)).rstrip()
