"""Content stored as it is, for operators who want to read their rows (a setting)."""

from __future__ import annotations

import base64
from contextlib import suppress

from core.errors import KeyMissing
from core.sealing import Sealed, Sealer

_ENCODED = "base64:"


class PlainSealer:
    """Readable rows; `key_id` is None. Erasure then rests on the rows being removed, backups keep what they hold.

    `earlier` opens and destroys what was sealed before the setting was changed.
    """

    def __init__(self, earlier: Sealer | None = None) -> None:
        self._earlier = earlier

    async def seal(self, scope: str, text: str) -> Sealed:
        return Sealed(_encode(text.encode("utf-8", "surrogatepass")) if _needs_encoding(text) else text)

    async def seal_bytes(self, scope: str, data: bytes) -> Sealed:
        return Sealed(_encode(data))

    async def open(self, scope: str, sealed: Sealed) -> str:
        if sealed.key_id is None:
            return open_plain(sealed)
        return await self._sealer_of(sealed).open(scope, sealed)

    async def open_bytes(self, scope: str, sealed: Sealed) -> bytes:
        if sealed.key_id is None:
            return open_plain_bytes(sealed)
        return await self._sealer_of(sealed).open_bytes(scope, sealed)

    async def destroy(self, *scopes: str) -> None:
        if self._earlier is not None:
            await self._earlier.destroy(*scopes)

    def _sealer_of(self, sealed: Sealed) -> Sealer:
        if self._earlier is None:
            raise KeyMissing(sealed.key_id)
        return self._earlier


def open_plain(sealed: Sealed) -> str:
    """The text of content without a key. Whatever an operator typed into the row is a text."""
    if sealed.text.startswith(_ENCODED):
        with suppress(ValueError):
            return _decode(sealed.text).decode("utf-8", "surrogatepass")
    return sealed.text


def open_plain_bytes(sealed: Sealed) -> bytes:
    """The bytes of content without a key. Raises KeyMissing for what is not encoded bytes."""
    try:
        return _decode(sealed.text)
    except ValueError:
        raise KeyMissing("no encoded bytes") from None


def _needs_encoding(text: str) -> bool:
    """NUL and lone surrogates do not fit a text column of Postgres; the marker itself must stay unambiguous."""
    return "\0" in text or text.startswith(_ENCODED) or any("\ud800" <= char <= "\udfff" for char in text)


def _decode(text: str) -> bytes:
    return base64.b64decode(text.removeprefix(_ENCODED), validate=True)


def _encode(data: bytes) -> str:
    return _ENCODED + base64.b64encode(data).decode("ascii")
