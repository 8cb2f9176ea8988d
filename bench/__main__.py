"""`make bench`: every benchmark in a process of its own, as one table after the other."""

from __future__ import annotations

import platform
import subprocess
import sys

BENCHMARKS = (
    ("Start", ("bench.startup",)),
    ("Reply", ("bench.reply",)),
    ("Search", ("bench.scale", "search")),
    ("Weight", ("bench.scale", "weight")),
    ("Store", ("bench.store",)),
    ("Queue", ("bench.queue",)),
    ("Platforms", ("bench.platforms",)),
    ("REST API", ("bench.http",)),
    ("Privacy", ("bench.privacy",)),
    ("Retrieval", ("bench.retrieval",)),
)


def main() -> int:
    sys.stdout.write(f"Python {platform.python_version()} on {platform.machine()}, {_commit()}\n")
    failed = 0
    for title, command in BENCHMARKS:
        sys.stdout.write(f"\n## {title}\n\n")
        sys.stdout.flush()
        failed |= subprocess.run([sys.executable, "-m", *command], check=False).returncode
    return failed


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"commit {found.stdout.strip() or 'unknown'}"


if __name__ == "__main__":
    sys.exit(main())
