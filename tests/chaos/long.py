"""`make chaos`: each case of the long form in a process and a time of its own. Arguments are names of cases to run.

A case that takes longer than its minutes has failed and the next one begins, so that the whole ends within the sum.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = "tests/chaos"
GOODBYE = 30
"""Seconds for a case that was too slow to stop its servers and processes."""


@dataclass(frozen=True)
class Case:
    """`where` are pytest's arguments, `minutes` the time that it may take on two cores."""

    name: str
    minutes: float
    where: tuple[str, ...]
    kills: int = 0
    messages: int = 0


KILL = f"{HERE}/test_kill.py"
WALKS = "tests/privacy/test_walks.py"
PROCESSES = tuple(f"{HERE}/test_{name}.py" for name in ("first_steps", "platforms", "processes", "run"))
ALONE = (KILL, f"{HERE}/test_workers.py", f"{HERE}/test_restarts.py", *PROCESSES)
"""The files that have a case of their own."""
CASES = (
    Case("sqlite", 8, (f"{KILL}::test_killed_at_any_point_every_message_is_answered_once_or_labelled",), 100, 2000),
    Case("supabase", 3.5, (f"{KILL}::test_the_same_holds_for_a_supabase_project",), 20, 400),
    Case("workers", 5, (f"{HERE}/test_workers.py",)),
    Case("restarts", 5, (f"{HERE}/test_restarts.py",)),
    Case("processes", 7, PROCESSES),
    Case("walks", 6, (f"{WALKS}::test_no_walk_leads_to_a_leak",)),
    Case("troubles", 1.5, (HERE, *(f"--ignore={path}" for path in ALONE))),
)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(case: Case) -> str:
    """What came of it."""
    say(f"--- {case.name}: {case.minutes:g} minutes at most")
    settings = {"CHAOS_LONG": "1"}
    if case.kills:
        settings |= {"CHAOS_KILLS": str(case.kills), "CHAOS_MESSAGES": str(case.messages)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *case.where]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, start_new_session=True)
    try:
        return "passed" if process.wait(case.minutes * 60 - GOODBYE) == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        # As Ctrl+C, so that fixtures end what they began; what is left after that goes with its group.
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return "TOO SLOW"


def main(names: list[str]) -> int:
    if unknown := set(names) - {case.name for case in CASES}:
        say(f"no such case: {', '.join(sorted(unknown))}")
        return 2
    told = []
    for case in CASES:
        if not names or case.name in names:
            began = time.monotonic()
            told.append((run(case), case.name, time.monotonic() - began))
    for outcome, name, seconds in told:
        say(f"{outcome:9} {name:10} {seconds:5.0f} s")
    return int(any(outcome != "passed" for outcome, _, _ in told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
