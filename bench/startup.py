"""`python -m bench.startup`: from the command to the first prompt of `memorychat chat`, in a terminal of its own.

The control is an interpreter that imports only the SDKs which every start needs (pydantic, SQLAlchemy).
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import Row, percentile, publish

RUNS = 5
PROMPT = "personal"
TIMEOUT = 30.0


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as home:
        _first_prompt(home)
        times = [_first_prompt(home) for _ in range(RUNS)]
    control = [_control() for _ in range(RUNS)]
    return [
        Row(
            "first prompt of `memorychat chat`",
            percentile(times, 0.5),
            "s",
            1.5,
            percentile(control, 0.5),
            "python -c 'import pydantic, sqlalchemy'",
        ),
    ]


def _first_prompt(home: str) -> float:
    """Seconds until the prompt shows the profile's name."""
    # As in a user's shell: what was compiled once is not compiled again.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = kept | {"MEMORYCHAT_HOME": home, "TERM": "xterm", "MEMORYCHAT_MASTER_KEY": "A" * 43 + "="}
    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        memorychat = str(Path(sys.executable).with_name("memorychat"))
        os.execve(memorychat, [memorychat, "chat"], environment)
    seen = b""
    try:
        while PROMPT.encode() not in seen:
            left = TIMEOUT - (time.perf_counter() - start)
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                raise TimeoutError("no prompt")
            seen += os.read(terminal, 65_536)
            if b"\x1b[6n" in seen:
                # The terminal is asked where its cursor is before anything is drawn.
                os.write(terminal, b"\x1b[1;1R")
                seen = seen.replace(b"\x1b[6n", b"")
        return time.perf_counter() - start
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def _control() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pydantic, sqlalchemy"], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    publish(measure(), "python -m bench.startup")
