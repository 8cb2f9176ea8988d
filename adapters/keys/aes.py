"""Content sealed with AES-256-GCM (NIST SP 800-38D) under a data key per scope."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.keys.plain import open_plain, open_plain_bytes
from core.errors import KeyMissing
from core.ports import DataKey, Keyring
from core.sealing import Sealed

VERSION = b"\x01"
NONCE_BYTES = 12
CACHED_KEYS = 4096


class AesGcmSealer:
    """`Sealed.text` is base64 of: version (1 byte), random nonce (12), ciphertext with tag (16 more than the content).

    Scope, version and kind (text or bytes) are authenticated along, so that content cannot be moved to another scope or
    column. Content stored plainly before sealing was switched on is opened as it is.

    `seal` asks the keyring each time (see there), `open` keeps up to `cached_keys` keys in memory.
    """

    def __init__(self, keyring: Keyring, cached_keys: int = CACHED_KEYS) -> None:
        self._keyring = keyring
        self._cached_keys = cached_keys
        self._ciphers: OrderedDict[str, tuple[str, AESGCM]] = OrderedDict()
        """By key id: the key's scope and its cipher, the one used last at the end."""

    async def seal(self, scope: str, text: str) -> Sealed:
        return await self._seal(scope, b"text", text.encode("utf-8", "surrogatepass"))

    async def seal_bytes(self, scope: str, data: bytes) -> Sealed:
        return await self._seal(scope, b"bytes", data)

    async def open(self, scope: str, sealed: Sealed) -> str:
        if sealed.key_id is None:
            return open_plain(sealed)
        return (await self._open(scope, b"text", sealed.text, sealed.key_id)).decode("utf-8", "surrogatepass")

    async def open_bytes(self, scope: str, sealed: Sealed) -> bytes:
        if sealed.key_id is None:
            return open_plain_bytes(sealed)
        return await self._open(scope, b"bytes", sealed.text, sealed.key_id)

    async def destroy(self, *scopes: str) -> None:
        await self._keyring.destroy(*scopes)
        for key_id in [key_id for key_id, (owner, _) in self._ciphers.items() if owner in scopes]:
            del self._ciphers[key_id]

    async def _seal(self, scope: str, kind: bytes, data: bytes) -> Sealed:
        key = await self._keyring.current(scope)
        _, cipher = self._ciphers.get(key.id) or self._keep(key)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = VERSION + nonce + cipher.encrypt(nonce, data, _context(scope, kind))
        return Sealed(base64.b64encode(sealed).decode("ascii"), key.id)

    async def _open(self, scope: str, kind: bytes, text: str, key_id: str) -> bytes:
        known = self._ciphers.get(key_id) or self._keep(await self._keyring.get(key_id))
        self._ciphers.move_to_end(key_id)
        owner, cipher = known
        try:
            data = base64.b64decode(text, validate=True)
            nonce, content = data[1 : 1 + NONCE_BYTES], data[1 + NONCE_BYTES :]
            if owner != scope or data[:1] != VERSION:
                raise KeyMissing(key_id)
            return cipher.decrypt(nonce, content, _context(scope, kind))
        except (InvalidTag, ValueError, binascii.Error):
            raise KeyMissing(key_id) from None

    def _keep(self, key: DataKey) -> tuple[str, AESGCM]:
        kept = self._ciphers[key.id] = (key.scope, AESGCM(key.secret))
        if len(self._ciphers) > self._cached_keys:
            self._ciphers.popitem(last=False)
        return kept


def _context(scope: str, kind: bytes) -> bytes:
    return b"memorychat\0" + VERSION + b"\0" + kind + b"\0" + scope.encode()
