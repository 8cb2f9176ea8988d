"""`memorychat doctor`."""

from __future__ import annotations

import sys

import typer

from bot.cli.common import load_settings, run_async
from bot.doctor import Finding, State, examine

_STYLES = {State.GOOD: "green", State.BROKEN: "red", State.OFF: "dim"}


def doctor() -> None:
    """Check this installation: one line each, with the mend where something is broken."""
    run_async(_doctor())


async def _doctor() -> None:
    broken = False
    async for finding in examine(load_settings(quiet=True)):
        _show(finding)
        broken = broken or finding.state is State.BROKEN
    if broken:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    from rich.console import Console
    from rich.text import Text

    mend = f" → {finding.mend}" if finding.mend else ""
    line = Text.assemble(
        (f"{finding.state.value} ", _STYLES[finding.state]), (f"{finding.subject:<13}", "bold"), finding.detail, mend
    )
    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(line)
