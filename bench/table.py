"""Figures as rows of one table: what was measured, what the goal is, what a control in the same run took."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

ROWS = "MEMORYCHAT_BENCH_ROWS"
"""The environment variable that names the file which `make bench` collects rows in, one JSON object a line."""
QUICK = "MEMORYCHAT_BENCH_QUICK"


@dataclass(frozen=True, slots=True)
class Row:
    """`goal` is an upper bound in `unit` (None: no goal), `at_least` makes it a lower one; `control` is the same figure
    of the named plainer way, `ratio_goal` bounds value / control. `plot` and `x` put the row into a plot as a point."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    control: float | None = None
    control_name: str = ""
    at_least: bool = False
    ratio_goal: float | None = None
    plot: str = ""
    x: float = 0.0

    @property
    def ratio(self) -> float | None:
        return self.value / self.control if self.control else None

    @property
    def met(self) -> bool:
        kept = self.goal is None or (self.value >= self.goal if self.at_least else self.value <= self.goal)
        if self.ratio_goal is None or self.ratio is None:
            return kept
        return kept and (self.ratio >= self.ratio_goal if self.at_least else self.ratio <= self.ratio_goal)

    @property
    def goals(self) -> str:
        sign = "≥" if self.at_least else "≤"
        parts = [] if self.goal is None else [f"{sign} {_short(self.goal)} {self.unit}".strip()]
        if self.ratio_goal is not None:
            parts.append(f"{sign} {self.ratio_goal:.2g} × control")
        return f"{', '.join(parts)} {'✓' if self.met else '✗'}" if parts else ""


def _short(number: float) -> str:
    return f"{number:,.2f}".rstrip("0").rstrip(".")


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` from 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def middle_cpu(marks: Sequence[float], messages: int) -> float:
    """CPU milliseconds a message of the middle one of the stretches between marks (in CPU seconds, so many messages
    apart), so that neither a warm-up nor a neighbour's noise in some of them decides."""
    return percentile([1000 * (after - before) / messages for before, after in pairwise(marks)], 0.5)


def is_quick() -> bool:
    """Whether `make bench` was asked for a look only: fewer rounds, smaller crowds, the same rows."""
    return bool(os.environ.get(QUICK))


def show(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = ["| figure | measured | goal | control | ratio |", "| --- | ---: | ---: | --- | ---: |"]
    return "\n".join([*lines, *(f"| {' | '.join(cells(row))} |" for row in rows)])


def cells(row: Row) -> list[str]:
    control = "" if row.control is None else f"{row.control:,.2f} {row.unit} ({row.control_name})"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.name, f"{row.value:,.2f} {row.unit}".strip(), row.goals, control, ratio]


def publish(rows: Sequence[Row], command: str) -> None:
    """Print a table, and hand the rows to `make bench` where it asked for them. `command` is how to measure again."""
    sys.stdout.write(show(rows) + "\n")
    if into := os.environ.get(ROWS):
        with Path(into).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**asdict(row), "command": command}) + "\n" for row in rows)
