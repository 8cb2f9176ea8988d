"""`make bench`: every benchmark in a process of its own, one table after the other, and bench/report.md from all.

`--quick` takes a third of the time: fewer rounds and smaller crowds, for a look. One that fails is named in the report,
which holds what the others measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from bench import report
from bench.table import QUICK, ROWS

BENCHMARKS = (
    ("Start", ("bench.startup",)),
    ("Reply", ("bench.reply",)),
    ("People", ("bench.people",)),
    ("Over Telegram", ("bench.telegram",)),
    ("Queue", ("bench.queue",)),
    ("Search", ("bench.scale", "search")),
    ("Weight", ("bench.scale", "weight")),
    ("Learning", ("bench.learning",)),
    ("Store", ("bench.store",)),
    ("Platforms", ("bench.platforms",)),
    ("Web API", ("bench.http",)),
    ("Privacy", ("bench.privacy",)),
    ("Retrieval", ("bench.retrieval",)),
)
LONGEST = 900
"""Seconds after which a benchmark is given up, with all that it started."""


def main(arguments: list[str], folder: Path = report.HERE) -> int:
    """The exit code: 1 when a benchmark failed. What the others measured is in the report all the same."""
    quick = "--quick" in arguments
    failed: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        collected = Path(scratch) / "rows"
        collected.touch()
        environment = os.environ | {ROWS: str(collected)} | ({QUICK: "1"} if quick else {})
        for title, command in BENCHMARKS:
            _say(f"\n## {title}\n\n")
            since = time.monotonic()
            trouble = _run(command, environment)
            if trouble:
                failed.append(f"{title} ({trouble})")
            _say(f"\n{title}: {trouble or 'done'} after {time.monotonic() - since:.0f} s\n")
        rows = report.read(collected)
        report.write(rows, quick=quick, seconds=time.monotonic() - began, failed=failed, folder=folder)
    _say(f"\n{report.verdict(rows, failed)}\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.\n")
    return bool(failed)


def _run(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """What went wrong; empty when nothing did."""
    # In a session of its own, so that the servers and controls that it started end with it.
    process = subprocess.Popen([sys.executable, "-m", *command], env=environment, start_new_session=True)
    try:
        code = process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        return f"took more than {LONGEST} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"ended with {code}" if code else ""


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
