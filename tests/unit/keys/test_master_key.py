"""Where the master key comes from, and when a start is refused."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

from adapters.keys.master import (
    MasterKey,
    default_key_file,
    load_master_key,
    parse_master_key,
    rotate_key_file,
    write_key_file,
)
from core.errors import ConfigurationError

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def load(
    key_file: Path, configured: str | None = None, *, remote_database: bool = False, data_present: bool = False
) -> MasterKey:
    return load_master_key(configured, key_file=key_file, remote_database=remote_database, data_present=data_present)


def test_a_configured_key_wins_over_the_file(tmp_path: Path) -> None:
    load(tmp_path / "master.key")
    master = load(tmp_path / "master.key", TEXT, remote_database=True, data_present=True)
    assert master.keys == (KEY,)
    assert master.source == "MEMORYCHAT_MASTER_KEY"


@pytest.mark.parametrize("text", [TEXT, f" {TEXT}\n", base64.urlsafe_b64encode(bytes([255] * 32)).decode()])
def test_base64_in_both_alphabets_is_read(text: str) -> None:
    assert len(parse_master_key(text, "here").keys[0]) == 32


def test_earlier_keys_may_follow_the_first(tmp_path: Path) -> None:
    other = bytes(32)
    assert parse_master_key(f"{TEXT}, {base64.b64encode(other).decode()}", "here").keys == (KEY, other)


@pytest.mark.parametrize("text", ["correct horse battery staple", TEXT[:-4], KEY.hex(), "ä", "=", ",", f"{TEXT},x"])
def test_what_is_not_a_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "master.key", text)
    assert "32 bytes" in caught.value.user_message
    assert len(text) < 4 or text not in caught.value.user_message


def test_the_first_start_makes_a_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "config" / "memorychat" / "master.key"
    master = load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load(path, data_present=True) == master
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_setting_counts_as_none(tmp_path: Path, blank: str) -> None:
    assert load(tmp_path / "master.key", blank).source == str(tmp_path / "master.key")


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    found: list[MasterKey] = []
    threads = [threading.Thread(target=lambda: found.append(load(tmp_path / "master.key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({master.keys for master in found}) == 1


def test_a_key_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(TEXT)
    path.chmod(0o644)
    assert load(path).keys == (KEY,)
    assert path.stat().st_mode & 0o777 == 0o600


def test_sealed_data_without_its_key_is_refused_and_no_key_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="could not open what is sealed"):
        load(tmp_path / "master.key", data_present=True)
    assert not (tmp_path / "master.key").exists()


def test_a_remote_database_needs_a_configured_key(tmp_path: Path) -> None:
    load(tmp_path / "master.key")
    with pytest.raises(ConfigurationError, match="must be set with a remote database"):
        load(tmp_path / "master.key", remote_database=True)


@pytest.mark.parametrize("content", ["", "garbage", "\0" * 32])
def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(content)
    with pytest.raises(ConfigurationError):
        load(path)
    assert path.read_text() == content


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        load(tmp_path / "file" / "master.key")


def test_rotation_puts_a_new_key_in_front_and_keeps_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = load(path)
    rotated = rotate_key_file(path)
    assert rotated.keys[1:] == first.keys
    assert rotated.keys[0] != first.keys[0]
    assert load(path).keys == rotated.keys
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    write_key_file(path, MasterKey((KEY,)), replace=False)
    write_key_file(path, MasterKey.generate(), replace=False)
    assert load(path).keys == (KEY,)


def test_no_key_is_shown_in_a_repr() -> None:
    assert repr(KEY) not in repr(MasterKey((KEY,)))


def test_the_key_file_is_in_the_config_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_key_file().name == "master.key"
    assert default_key_file().parent.name == "memorychat"
