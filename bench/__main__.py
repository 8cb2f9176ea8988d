"""`make bench`: every benchmark in a process of its own, one table after the other, and bench/report.md from all.

`--quick` takes a third of the time: fewer rounds and smaller crowds, for a look.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
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
LONGEST = 420
"""Seconds after which a benchmark is given up."""


def main(arguments: list[str]) -> int:
    quick = "--quick" in arguments
    failed = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        collected = Path(folder) / "rows"
        collected.touch()
        environment = os.environ | {ROWS: str(collected)} | ({QUICK: "1"} if quick else {})
        for title, command in BENCHMARKS:
            sys.stdout.write(f"\n## {title}\n\n")
            sys.stdout.flush()
            failed |= _run(command, environment)
        report.write(report.read(collected), quick=quick, seconds=time.monotonic() - began)
    return failed


def _run(command: tuple[str, ...], environment: dict[str, str]) -> int:
    try:
        return subprocess.run(
            [sys.executable, "-m", *command], check=False, env=environment, timeout=LONGEST
        ).returncode
    except subprocess.TimeoutExpired:
        sys.stdout.write(f"{' '.join(command)} took more than {LONGEST} s\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
