"""The doctor: one line each, with the mend where something is broken, and no secret in any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.doctor import State, check_home, check_platforms
from bot.settings import settings_from

RIGHT = {
    "SLACK_BOT_TOKEN": "xoxb-123456789012-abcdef",
    "SLACK_APP_TOKEN": "xapp-1-A0123-456-abcdef",
    "SLACK_SIGNING_SECRET": "0123456789abcdef" * 2,
    "TELEGRAM_BOT_TOKEN": "123456789:AAE-abcdefghijklmnopqrstuvwxyz0123456",
    "DISCORD_BOT_TOKEN": "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123",
}


@pytest.fixture
def closed() -> Path:
    """A folder that nobody can write, not even root: it is under a file system that is read-only for everybody."""
    folder = Path("/proc/self")
    assert not os.access(folder / "new", os.F_OK)
    return folder


def test_a_home_that_is_there_or_can_be_made_is_good(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert check_home(tmp_path).state is State.GOOD
    assert check_home(tmp_path / "a" / "b").state is State.GOOD
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_told_with_its_mend(closed: Path) -> None:
    finding = check_home(closed / "home")
    assert finding.state is State.BROKEN
    assert "MEMORYCHAT_HOME" in finding.mend


def test_a_home_that_is_a_file_or_open_to_others_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "no folder" in check_home(file).detail
    tmp_path.chmod(0o755)
    assert "chmod 700" in check_home(tmp_path).mend


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("bot.doctor.LOW_SPACE", 2**62)
    assert check_home(tmp_path).mend == "Make room there."


def test_platforms_that_are_not_configured_are_off() -> None:
    findings = list(check_platforms(settings_from({})))
    assert [finding.state for finding in findings] == [State.OFF] * 3


def test_tokens_of_the_right_shape_are_good() -> None:
    findings = list(check_platforms(settings_from(RIGHT)))
    assert [finding.state for finding in findings] == [State.GOOD] * 3


@pytest.mark.parametrize("variable", RIGHT)
def test_a_token_of_the_wrong_shape_is_named_but_not_shown(variable: str) -> None:
    wrong = "wrong-and-secret"
    findings = list(check_platforms(settings_from(RIGHT | {variable: wrong})))
    broken = [finding for finding in findings if finding.state is State.BROKEN]
    assert [finding.detail.split()[0] for finding in broken] == [variable]
    assert broken[0].mend
    assert wrong not in str(findings)
