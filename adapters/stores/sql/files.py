"""The files of a SQLite database: who may read them, and which process runs on it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from core.errors import AnotherRunner


def prepare(path: Path) -> None:
    """The folder (0700) and the file (0600), where missing; SQLite gives the file's mode to those beside it.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


class RunnerLock:
    """An advisory lock on a file beside the database; the kernel drops it with the process, also at kill -9."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.runner")
        self._handle: int | None = None

    def take(self) -> None:
        """Raises AnotherRunner, OSError. Taking it again is no error."""
        if self._handle is not None:
            return
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise AnotherRunner from None
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
