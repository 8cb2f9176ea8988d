"""The master key: where it comes from, and when a start is refused (design §5, Sealing).

It is 32 random bytes written as base64. Several of them may stand after each other, separated by commas or line ends:
the first wraps, the others are earlier ones under which data keys may still be wrapped. That is all that rotation
needs: put a new key in front, rewrap (`SqlKeyring.rewrap`), then take the old one out.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from core.errors import ConfigurationError

VARIABLE = "MEMORYCHAT_MASTER_KEY"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """`keys[0]` wraps, the others only unwrap. `source` names where it came from, for people."""

    keys: tuple[bytes, ...] = field(repr=False)
    source: str = "memory"

    @classmethod
    def generate(cls) -> MasterKey:
        return cls((secrets.token_bytes(KEY_BYTES),))


def default_key_file() -> Path:
    """In the user's config folder, away from the home folder of the bot and its backups."""
    return platformdirs.user_config_path("memorychat", appauthor=False) / "master.key"


def parse_master_key(text: str, source: str) -> MasterKey:
    """Raises ConfigurationError, which never repeats what was given."""
    words = [word for word in re.split(r"[\s,]+", text) if word]
    try:
        keys = tuple(base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True) for word in words)
    except (binascii.Error, ValueError):
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ConfigurationError(
            f"{source}: not a master key. It is base64 of {KEY_BYTES} bytes; `openssl rand -base64 32` makes one."
        )
    return MasterKey(keys, source)


def load_master_key(configured: str | None, *, key_file: Path, remote_database: bool, data_present: bool) -> MasterKey:
    """The configured key, else that of the key file, which is made on the first start. Blocking: for the start only.

    `data_present`: there are sealed rows or a keyring already. Then no key is ever made, because it could not open
    them.

    Raises:
        ConfigurationError: a malformed key; a remote database without a configured key; sealed data without a key; a
            key file that can be neither read nor made.
    """
    if configured is not None and configured.strip():
        return parse_master_key(configured, VARIABLE)
    if remote_database:
        raise ConfigurationError(
            f"{VARIABLE}: must be set with a remote database, so that every process has the same key and a lost "
            "machine loses none. `openssl rand -base64 32` makes one; keep a copy in a safe place."
        )
    try:
        found = _read(key_file)
        if found is None and not data_present:
            write_key_file(key_file, MasterKey.generate(), replace=False)
            found = _read(key_file)
    except OSError as error:
        raise ConfigurationError(
            f"{VARIABLE}: the key file {key_file} cannot be used ({error.strerror}). Mend that, or set {VARIABLE}."
        ) from None
    if found is None:
        raise ConfigurationError(
            f"{VARIABLE}: sealed data is here but its master key is not: neither {VARIABLE} is set nor does {key_file} "
            "exist. Bring the key back; a new one could not open what is sealed."
        )
    return parse_master_key(found, str(key_file))


def write_key_file(path: Path, master: MasterKey, *, replace: bool) -> None:
    """Durably and in one step, readable by its owner alone. Without `replace` a file that is there wins.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(draft, "".join(f"{base64.b64encode(key).decode('ascii')}\n" for key in master.keys))
        if replace:
            draft.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def rotate_key_file(path: Path) -> MasterKey:
    """Put a fresh key in front of those in the file, which stay until an operator removes them: another bot's home on
    this machine may still be wrapped under one. The keyring is to be rewrapped next. Blocking.

    Raises OSError, ConfigurationError.
    """
    earlier = parse_master_key(path.read_text("ascii"), str(path))
    rotated = MasterKey((*MasterKey.generate().keys, *earlier.keys), str(path))
    write_key_file(path, rotated, replace=True)
    return rotated


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_mode & 0o077:
            with suppress(OSError):  # a secret mounted read-only
                path.chmod(0o600)
        return path.read_text("ascii", errors="replace")
    except FileNotFoundError:
        return None


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """The name of a new file is durable only once its folder is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
