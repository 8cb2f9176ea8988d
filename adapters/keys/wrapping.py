"""A data key under the master key: AES-256-GCM over the secret, its id and scope authenticated along."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.keys.master import MasterKey
from core.errors import KeyMissing
from core.ports import DataKey

NONCE_BYTES = 12


def wrap(master: MasterKey, key: DataKey) -> bytes:
    """60 bytes: nonce, encrypted secret, tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(master.keys[0]).encrypt(nonce, key.secret, _context(key.id, key.scope))


def unwrap(master: MasterKey, key_id: str, scope: str, wrapped: bytes) -> DataKey:
    """Raises KeyMissing when no part of the master key opens it."""
    for secret in master.keys:
        try:
            opened = AESGCM(secret).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _context(key_id, scope))
        except (InvalidTag, ValueError):
            continue
        return DataKey(key_id, scope, opened)
    raise KeyMissing(key_id)


def _context(key_id: str, scope: str) -> bytes:
    return f"memorychat data key 1\0{key_id}\0{scope}".encode()
