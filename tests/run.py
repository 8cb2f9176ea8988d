"""`make test`: every test in parallel, then the coverage floors. Arguments go to pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHICH = ("-m", "not services and not long and not live")
SPREAD = ("--dist", "loadfile")
FLOORS = (("core", "core/*", "90"), ("all", "core/*,adapters/*,bot/*", "85"))


def run(*command: str) -> int:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode


def main(arguments: list[str]) -> int:
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    workers = str(os.cpu_count() or 2)
    failed = run("coverage", "run", "-m", "pytest", "-q", *WHICH, "-n", workers, *SPREAD, *arguments)
    if failed:
        return failed
    run("coverage", "combine", "--quiet")
    floors = [run("coverage", "report", "--include", files, "--fail-under", floor) for _, files, floor in FLOORS]
    return max(floors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
