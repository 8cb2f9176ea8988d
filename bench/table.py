"""Figures as rows of one table: what was measured, what the goal is, what a control in the same run took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`goal` is an upper bound in `unit` (None: no goal), `control` the same figure of the named plainer way."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    control: float | None = None
    control_name: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` from 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def show(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = ["| figure | measured | goal | control | ratio |", "| --- | ---: | ---: | --- | ---: |"]
    for row in rows:
        sign = "≥" if row.at_least else "≤"
        goal = "" if row.goal is None else f"{sign} {row.goal:g} {row.unit} {'✓' if row.met else '✗'}"
        control = "" if row.control is None else f"{row.control:,.2f} {row.unit} ({row.control_name})"
        ratio = "" if not row.control else f"{row.value / row.control:.2f}"
        lines.append(f"| {row.name} | {row.value:,.2f} {row.unit} | {goal} | {control} | {ratio} |")
    return "\n".join(lines)
