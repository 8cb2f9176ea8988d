"""The main job, end to end: `memorychat chat` on a fresh folder, without key, server or network."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.console.conftest import Ran, Run

ROOT = Path(__file__).parents[3]


def test_what_is_told_in_one_run_is_known_in_the_next_and_in_no_other_profile(memorychat: Run) -> None:
    told = memorychat("chat", stdin="My dog is called Rex\n")
    assert told.code == 0
    assert len(told.out.splitlines()) == 1
    assert "Rex" not in told.err
    assert "Offline" in told.err
    assert "Hello, I am" in told.err

    asked = memorychat("chat", stdin="What is my dog called?")
    assert asked.code == 0
    assert "Rex" in asked.out
    assert "Hello" not in asked.err

    elsewhere = memorychat("chat", stdin="/profile new work\n/profile use work\nWhat is my dog called?\n")
    assert elsewhere.code == 0
    assert "Rex" not in elsewhere.out

    back = memorychat("chat", stdin="/profile use personal\nWhat is my dog called?\n")
    assert "Rex" in back.out


def test_an_incognito_talk_leaves_no_byte_in_the_home_folder(memorychat: Run, home: Path) -> None:
    canary = "Zanzibar-7431"
    ran = memorychat("chat", stdin=f"/incognito\nI am going to {canary}\nWhere am I going?\n")
    assert ran.code == 0
    assert "incognito" in ran.out
    kept = [path for path in home.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
    assert kept == []
    assert canary not in memorychat("memory", "list").out


def test_bad_input_gets_a_clear_answer_and_nothing_is_lost(memorychat: Run) -> None:
    lines = [
        b"   ",
        b"/profil list",
        b"/profile new personal",
        b"/profile new " + b"x" * 41,
        b"broken \xff\xfe bytes",
        b"nul \x00 and \x1b[2J control",
        "emoji 🎈 שלום עולם".encode(),
        b"x" * 100_001,
        b"last",
    ]
    ran = memorychat("chat", stdin=b"\n".join(lines))
    assert ran.code == 0
    assert "There was no text in that message." in ran.err
    assert "Did you mean `/profile`?" in ran.out
    assert "100,001 characters" in ran.out
    assert "1 to 40" in ran.out
    assert "\x1b" not in ran.out
    assert "Traceback" not in ran.out + ran.err


def test_the_operator_lists_and_searches_memories_and_profiles(memorychat: Run) -> None:
    nobody = memorychat("memory", "list")
    assert (nobody.code, "Nobody has talked here yet" in nobody.err) == (1, True)

    assert memorychat("profile", "new", "work", "--description", "the day job").code == 0
    taken = memorychat("profile", "new", " WORK ")
    assert taken.code == 1
    assert taken.err.strip()
    assert "Traceback" not in taken.err

    memorychat("chat", stdin="My dog is called Rex\nI live in Lisbon\n")
    listed = memorychat("memory", "list")
    assert listed.code == 0
    assert [line.split("\t")[3] for line in listed.out.splitlines()] == ["I live in Lisbon", "My dog is called Rex"]
    assert memorychat("memory", "list", "--profile", "Work").out == ""
    unknown = memorychat("memory", "list", "--profile", "wrk")
    assert (unknown.code, "personal, work" in unknown.err) == (1, True)

    found = memorychat("memory", "search", "What is the name of my dog?", "--limit", "1")
    assert "Rex" in found.out
    assert "Nothing" in memorychat("memory", "search", "dog", "--profile", "work").err

    profiles = [line.split("\t") for line in memorychat("profile", "list").out.splitlines()]
    assert profiles == [["personal", "default", "2"], ["work", "", "0"]]
    assert memorychat("memory", "reindex").out == "0 memories embedded again.\n"


def test_the_schema_is_shown_and_upgraded_and_a_newer_one_is_left_alone(memorychat: Run, home: Path) -> None:
    import sqlite3

    assert "no database yet" in memorychat("db", "current").out
    assert not home.exists()
    assert memorychat("db", "upgrade").code == 0
    assert "up to date" in memorychat("db", "current").out

    with sqlite3.connect(home / "memorychat.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    ran = memorychat("chat", stdin="hello\n")
    assert ran.code == 1
    assert ran.out == ""
    assert "newer version" in ran.err
    assert "this version" in memorychat("db", "current").out
    examined = memorychat("doctor")
    assert (examined.code, "✗ Database" in examined.out) == (1, True)


def test_wrong_settings_stop_the_start_with_a_line_each(memorychat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_TEMPERATURE", "hot")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret-canary")
    monkeypatch.setenv("OPENAI_API_KYE", "x")
    ran = memorychat("chat", stdin="hello\n")
    assert ran.code == 2
    assert ran.out == ""
    assert "OPENAI_TEMPERATURE: 'hot' given" in ran.err
    assert "canary" not in ran.err
    monkeypatch.delenv("OPENAI_TEMPERATURE")
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    assert "did you mean OPENAI_API_KEY?" in memorychat("db", "current").err


def unusable_places(folder: Path) -> dict[str, Path]:
    file, loop = folder / "file", folder / "loop"
    file.touch()
    if not loop.is_symlink():
        loop.symlink_to(loop)
    taken = folder / "taken"
    (taken / "memorychat.db").mkdir(parents=True, exist_ok=True)
    return {
        "forbidden": Path("/sys/kernel/nowhere"),
        "no parent": Path("/proc/nowhere"),
        "a file": file,
        "under a file": file / "home",
        "a loop": loop,
        "too long": folder / ("x" * 300),
        "a folder for a database": taken,
    }


@pytest.mark.parametrize("place", unusable_places(Path(tempfile.mkdtemp())))
def test_a_home_that_cannot_be_used_is_told_with_variable_and_mend(
    place: str, memorychat: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORYCHAT_HOME", str(unusable_places(tmp_path)[place]))
    for ran in (memorychat("chat", stdin="hello\n"), memorychat("memory", "list"), memorychat("db", "upgrade")):
        assert (ran.code, ran.out) == (2, "")
        [line] = [line for line in ran.err.splitlines() if "MEMORYCHAT_HOME" in line]
        assert "cannot be used (" in line
        assert line.endswith("or set MEMORYCHAT_HOME to another place.")
        assert "Traceback" not in ran.err


def test_the_doctor_names_a_home_that_cannot_be_written(memorychat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORYCHAT_HOME", "/sys/kernel/nowhere")
    examined = memorychat("doctor")
    assert examined.code == 1
    assert "✗ Home folder" in examined.out


def test_a_damaged_database_is_told_and_left_alone(memorychat: Run, home: Path) -> None:
    home.mkdir()
    noise = bytes(range(256)) * 20
    (home / "memorychat.db").write_bytes(noise)
    ran = memorychat("chat", stdin="hello\n")
    assert ran.code == 2
    assert "damaged, or no database. Restore a backup" in ran.err
    assert (home / "memorychat.db").read_bytes() == noise


@pytest.mark.parametrize("room", [4_096, 60_000, 200_000])
def test_a_disk_that_is_full_at_the_start_is_one_sentence(room: int, home: Path) -> None:
    ran = limited(room, "hello\n")
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith("  MEMORYCHAT_HOME: ")
    assert "). Make room there, or set MEMORYCHAT_HOME to another place." in ran.err
    assert "Traceback" not in ran.err


def test_a_disk_that_fills_up_loses_no_accepted_message_and_the_talk_goes_on(memorychat: Run, home: Path) -> None:
    assert memorychat("chat", stdin="My dog is called Rex\n").code == 0
    room = (home / "memorychat.db").stat().st_size + 20_000
    told = "".join(f"My neighbour number {number} is called {'Bob ' * 200}\n" for number in range(60))
    ran = limited(room, f"{told}What is my dog called?\n")
    assert ran.code == 1
    assert "My disk takes no more (full, over a quota, or broken), so I could not keep that." in ran.err
    assert "Traceback" not in ran.err
    kept = ran.out.count("I have noted that.")
    assert 0 < kept < 60
    again = memorychat("chat", stdin="What is my dog called?\n")
    assert again.code == 0
    assert "Rex" in again.out


def limited(room: int, stdin: str) -> Ran:
    """`memorychat chat` in a process none of whose files may grow beyond `room` bytes, which SQLite takes for a full
    disk."""
    program = "import resource, sys; n = int(sys.argv.pop(1)); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}; from bot.cli import main; main()", str(room), "chat"],
        input=stdin,
        capture_output=True,
        text=True,
        # The limit is for the bot: a measurement of coverage could not write its file either.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        timeout=50,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def test_the_doctor_finds_a_fresh_folder_in_good_health(memorychat: Run) -> None:
    ran = memorychat("doctor")
    assert ran.code == 0, ran.out
    lines = {line.split("  ")[0] for line in ran.out.splitlines()}
    assert {"✓ Home folder", "✓ Database", "✓ Keys", "✓ Incognito", "✓ Memory", "– Model", "– Slack"} <= lines


def test_the_doctor_tells_what_is_broken_and_how_to_mend_it(memorychat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_RETRIES", "0")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "not-a-token")
    ran = memorychat("doctor")
    assert ran.code == 1
    broken = [line for line in ran.out.splitlines() if line.startswith("✗")]
    assert [line.split()[1] for line in broken] == ["Model", "Telegram"]
    assert all("→" in line for line in broken)
    assert "not-a-token" not in ran.out


def test_a_key_that_is_none_stops_the_start_and_is_not_shown(memorychat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORYCHAT_MASTER_KEY", "no-key-canary")
    ran = memorychat("chat", stdin="hello\n")
    examined = memorychat("doctor")
    assert (ran.code, examined.code) == (2, 1)
    assert "MEMORYCHAT_MASTER_KEY" in ran.err
    assert "✗ Settings" in examined.out
    assert "canary" not in ran.err + examined.out
    monkeypatch.setenv("MEMORYCHAT_MASTER_KEY", "")
    monkeypatch.setenv("SEALING", "off")
    assert "– Keys" in memorychat("doctor").out


def test_help_version_and_wrong_usage(memorychat: Run) -> None:
    shown = memorychat("--help")
    assert shown.code == 0
    for command in ("chat", "doctor", "setup", "memory", "profile", "db", "version"):
        assert command in shown.out
    assert memorychat("version").out.startswith("memorychat ")
    assert memorychat("nosuch").code == 2
    assert memorychat("memory", "list", "--limit", "0").code == 2
    assert memorychat("setup").code == 1


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """`memorychat` in a real terminal of its own."""
    pid, descriptor = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes another program at once
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-c", "from bot.cli import main; main()", *arguments])
    person = Terminal(pid, descriptor)
    try:
        yield person
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        os.close(descriptor)


class Terminal:
    """What a person types and sees. `wait_for` looks at what came since the last call."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._new = ""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, text: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while text not in self._new:
            ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; the screen shows {self._new[-500:]!r}"
            self._read()
        self._new = self._new.partition(text)[2]

    def _read(self) -> None:
        data = os.read(self._descriptor, 65_536)
        if b"\x1b[6n" in data:  # where is the cursor? a terminal answers
            os.write(self._descriptor, b"\x1b[1;1R")
        self._new += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace"))

    def left_with(self) -> int:
        with suppress(OSError):  # the terminal of a process that has left cannot be read
            while True:
                self._read()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_talk_in_a_real_terminal(home: Path) -> None:
    with terminal("chat") as person:
        person.wait_for("❯")
        person.type("My dog is called Rex\r")
        person.wait_for("noted")
        person.wait_for("❯")
        person.type("/incognito\r")
        person.wait_for("🕶")
        person.type("Zanzibar\r")
        person.wait_for("nothing is noted")
        person.wait_for("❯")
        person.type("\x03")
        person.type("\x04")
        assert person.left_with() == 0
    history = (home / "chat_history").read_text("utf-8")
    assert "Rex" in history
    assert "Zanzibar" not in history


def test_setup_asks_and_writes_what_was_answered(home: Path) -> None:
    env = home.parent / ".env"
    # The check of the token finds nobody there, and says so; no test asks the real Telegram.
    env.write_text("BOT_NAME=Ann\nTELEGRAM_BASE_URL=http://127.0.0.1:9/bot\n", "utf-8")
    answers = {
        "OpenAI key": "",
        "OpenAI-compatible": "localhost",
        "allowed is": "http://localhost:11434/v1",
        "Model": "llama3.2",
        "Language": "",
        "Slack bot": "",
        "Telegram": "123456789:AAE-abcdefghijklmnopqrstuvwxyz0123456",
        "Discord": "",
    }
    with terminal("setup") as person:
        for question, answer in answers.items():
            person.wait_for(question)
            person.wait_for(": ")
            person.type(f"{answer}\r")
        person.wait_for("Next: ")
        assert person.left_with() == 0
    assert env.stat().st_mode & 0o777 == 0o600
    assert env.read_text("utf-8").splitlines() == [
        "BOT_NAME=Ann",
        "TELEGRAM_BASE_URL=http://127.0.0.1:9/bot",
        "OPENAI_BASE_URL=http://localhost:11434/v1",
        "OPENAI_MODEL=llama3.2",
        "TELEGRAM_BOT_TOKEN=123456789:AAE-abcdefghijklmnopqrstuvwxyz0123456",
    ]


def test_on_a_terminal_memories_are_a_table(memorychat: Run) -> None:
    memorychat("chat", stdin="My dog is called Rex\n")
    with terminal("memory", "list") as person:
        person.wait_for("memory")
        person.wait_for("Rex")
        person.wait_for("1 to recall")
        assert person.left_with() == 0


def test_one_folder_has_one_talk_at_a_time(memorychat: Run) -> None:
    with terminal("chat") as person:
        person.wait_for("❯")
        second = memorychat("chat", stdin="hello\n")
        assert second.code == 1
        assert "already running" in second.err
        assert "doctor" not in second.err
        person.type("\x04")
        assert person.left_with() == 0


@pytest.mark.usefixtures("home")
def test_nothing_breaks_when_the_reader_of_a_pipe_leaves() -> None:
    ran = subprocess.run(
        f"yes hello | head -50 | {sys.executable} -c 'from bot.cli import main; main()' chat | head -1",
        shell=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.count(b"\n") == 1
    assert b"Traceback" not in ran.stderr
    assert b"Broken" not in ran.stderr
