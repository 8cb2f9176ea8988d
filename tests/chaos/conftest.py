"""What a test of this package counted is told at the end, pass or fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest


class Figures(Protocol):
    def __call__(self, **counts: int) -> None: ...


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    def tell(**counts: int) -> None:
        for name, number in counts.items():
            record_property(name, number)

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when == "call" and report.user_properties:
                told = ", ".join(f"{name} {number}" for name, number in report.user_properties)
                name = report.nodeid.rpartition("/")[2]
                terminalreporter.write_line(f"{name}\n    {told}, seconds {report.duration:.0f}")
