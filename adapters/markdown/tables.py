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

    def __str__(self) -> str:
        widths = [max(map(width, column)) for column in zip_longest(*self._rows, fillvalue="")]
        return self._aligned(widths) if sum(widths) + 3 * len(widths) <= WIDEST else self._listed()

    def _aligned(self, widths: Sequence[int]) -> str:
        lines = [_aligned(row, widths) for row in self._rows]
        return "\n".join([lines[0], "-+-".join("-" * size for size in widths), *lines[1:]])

    def _listed(self) -> str:
        header, *rows = self._rows
        blocks = [
            "\n".join(f"{name}: {cell}" if name else cell for name, cell in zip_longest(header, row, fillvalue=""))
            for row in rows
        ]
        return "\n\n".join(blocks or [" | ".join(header)])


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
