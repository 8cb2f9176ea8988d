"""`memorychat audit`, `keys` and `import`, as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.audit import Finding, forms_of
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel

pytestmark = pytest.mark.long

SHELL = "from bot.cli import main; main()"


class Shell:
    """Each call is a process of its own on one home and one configuration folder."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.config = folder / "config"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(self.config),
            "MEMORYCHAT_HOME": str(self.home),
        }

    def run(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # our own command line
            [sys.executable, "-c", SHELL, *arguments],
            input=given,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def key_file(self) -> Path:
        return next(self.config.rglob("master.key"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_an_operator_finds_what_is_kept_and_not_what_was_erased(shell: Shell) -> None:
    assert shell.run("chat", given="My dog is called Quartzfinch.\n").returncode == 0
    found = shell.run("audit", given="Quartzfinch\n")
    assert found.returncode == 1
    assert "chat_messages" in found.stdout
    assert "mem0_memories" in found.stdout
    assert "readable" not in found.stdout
    shell.run("chat", given="/export\n")
    assert "exports" in shell.run("audit", given="Quartzfinch").stdout
    shell.run("chat", given="/erase DELETE EVERYTHING\n")
    gone = shell.run("audit", given="Quartzfinch")
    assert (gone.returncode, gone.stdout) == (0, "")
    assert "nowhere" in gone.stderr


def test_a_text_too_short_to_mean_anything_is_refused(shell: Shell) -> None:
    refused = shell.run("audit", given="ab")
    assert refused.returncode == 1
    assert "at least" in refused.stderr


def test_keys_are_shown_rotated_and_copied(shell: Shell, tmp_path: Path) -> None:
    shell.run("chat", given="My dog is called Quartzfinch.\n")
    shown = shell.run("keys", "status").stdout
    assert "keyring.db" in shown
    assert "master.key" in shown
    before = shell.key_file.read_text()
    rotated = shell.run("keys", "rotate")
    assert "wrapped by the first master key" in rotated.stdout
    assert shell.key_file.read_text().endswith(before)
    shell.key_file.write_text(shell.key_file.read_text().splitlines()[0] + "\n")
    assert "Quartzfinch" in shell.run("memory", "list").stdout, "the old master key is not needed any more"
    copy = tmp_path / "keys.json"
    assert shell.run("keys", "export", str(copy)).returncode == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert json.loads(copy.read_text())["keys"]
    shell.key_file.unlink()
    refused = shell.run("memory", "list")
    assert refused.returncode == 2
    assert "master key" in refused.stderr


def test_an_export_restores_profiles_and_memories_in_a_fresh_instance(shell: Shell, tmp_path: Path) -> None:
    talk = (
        "My dog is called Quartzfinch.\n/profile new work\n/profile use work\n"
        "The project is called Amberlynx.\n/export\n"
    )
    shell.run("chat", given=talk)
    exported = next((shell.home / "exports").glob("*.json"))
    other = tmp_path / "other"
    other.mkdir()
    fresh = Shell(other)
    first = fresh.run("import", str(exported))
    assert first.stdout == "Restored: 2 memories, 1 new profiles.\n", first.stderr
    assert "Quartzfinch" in fresh.run("memory", "list").stdout
    assert "Amberlynx" in fresh.run("memory", "list", "--profile", "work").stdout
    assert fresh.run("import", str(exported)).stdout == "Restored: 0 memories, 0 new profiles.\n"
    exported.write_text('{"format": "something else Quartzfinch"}')
    refused = fresh.run("import", str(exported))
    assert refused.returncode == 1
    assert "Quartzfinch" not in refused.stderr


@pytest.mark.parametrize("form", sorted(forms_of("Quartz/finch\u00e9 and Amberlynx")))
async def test_the_audit_finds_every_form_in_any_file(home: Home, form: str) -> None:
    text = "Quartz/finch\u00e9 and Amberlynx"
    (home.folder / "somewhere").mkdir()
    (home.folder / "somewhere" / "core.dump").write_bytes(b"\xff\x00" + forms_of(text)[form] + b"\x00")
    assert Finding("somewhere/core.dump", form) in await home.holds(text)


async def test_the_audit_opens_what_is_sealed(home: Home) -> None:
    async with home.process(ScriptedModel()) as town:
        await town.person("ana").says("My dog is called Quartzfinch.")
    found = await home.holds("Quartzfinch")
    assert {item.place for item in found} >= {"chat_messages", "mem0_memories", "inbox"}
    assert all(item.sealed for item in found) == home.sealed
