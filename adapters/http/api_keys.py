"""Keys for programs: what they may do, how they are made and how they are stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from core.ports import Clock
from core.ports.accounts import ApiKey
from core.types import UserId, new_id

KEY_PREFIX = "mck_"

READ, WRITE, CHAT, EXPORT = "read", "write", "chat", "export"
SCOPES = (READ, WRITE, CHAT, EXPORT)
"""What an API key can be allowed."""
SIGNED_IN = "signed_in"
"""What no API key can: the account itself."""


def key_hash(key: str) -> str:
    """How an API key is stored. It is random and long, so that a plain hash is enough."""
    return hashlib.sha256(f"api-key:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def make_api_key(user_id: UserId, name: str, scopes: Sequence[str], clock: Clock) -> tuple[str, ApiKey]:
    """The key, to be shown once, and what is stored of it besides its hash."""
    return KEY_PREFIX + secrets.token_urlsafe(32), ApiKey(new_id(), user_id, name, tuple(scopes), clock.now())
