"""Running the command line in this process, over real files and real pipes, with all that it builds."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli import main
from bot.logs import QUIET
from bot.settings import get_settings
from tests.e2e.console.test_piped import pipe_of


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, a working folder without `.env` and a configuration folder, all of this test alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORYCHAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "home"


@pytest.fixture
def memorychat(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """`memorychat("chat", stdin="hello\\n")`."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in QUIET}

    def run(*arguments: str, stdin: str | bytes = "") -> Ran:
        get_settings.cache_clear()
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with os.fdopen(pipe_of(data), "rb") as pipe:
            monkeypatch.setattr(sys, "stdin", pipe)
            with pytest.raises(SystemExit) as left:
                main(arguments)
        shown = capsys.readouterr()
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0, shown.out, shown.err)

    yield run
    get_settings.cache_clear()
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
