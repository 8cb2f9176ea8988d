"""Looking for a text in everything that is kept: every byte under the home folder, every row, and what is sealed."""

from __future__ import annotations

import asyncio
import base64
import json
import mmap
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.stores.sql.audit import Auditable
from core.errors import KeyMissing
from core.sealing import Sealer

LEAST = 4
"""Characters; a shorter text is found everywhere by chance."""
LEAST_PART = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is a file or a table, `form` how the text stands there; `sealed`: only who has the key can read it."""

    place: str
    form: str
    sealed: bool = False


def forms_of(text: str) -> Mapping[str, bytes]:
    """The byte strings that give a text away, by name: as it is, halves of it, escaped, encoded."""
    plain = text.encode("utf-8", "surrogatepass")
    forms = {
        "whole": plain,
        "UTF-16": text.encode("utf-16-le", "surrogatepass"),
        "JSON": json.dumps(text)[1:-1].encode(),
        "URL": urllib.parse.quote(plain).encode(),
        "hex": plain.hex().encode(),
        **{f"base64 at {shift}": _base64(plain, shift) for shift in range(3)},
    }
    half = len(text) // 2
    if half >= LEAST_PART:
        halves = {"first half": text[:half], "second half": text[half:]}
        forms |= {name: part.encode("utf-8", "surrogatepass") for name, part in halves.items()}
    by_bytes = {data: name for name, data in reversed(forms.items()) if len(data) >= LEAST}
    return {name: data for data, name in by_bytes.items()}


async def audit(folder: Path, store: Auditable, sealer: Sealer, text: str) -> list[Finding]:
    """Where a text is, each place and form once. Nothing found: `[]`.

    Raises ValueError for a text too short to mean anything.
    """
    if len(text.strip()) < LEAST:
        raise ValueError("too short")
    forms = forms_of(text)
    found = dict.fromkeys(await asyncio.to_thread(lambda: list(_in_files(folder, forms))))
    async for row in store.audit_rows():
        plain = row.plain.encode("utf-8", "surrogatepass")
        found |= dict.fromkeys(Finding(row.table, form) for form in _matching(plain, forms))
        for scope, sealed in row.sealed:
            try:
                opened = (await sealer.open(scope, sealed)).encode("utf-8", "surrogatepass")
            except KeyMissing:
                continue
            hidden = sealed.key_id is not None
            found |= dict.fromkeys(Finding(row.table, form, hidden) for form in _matching(opened, forms))
    return list(found)


def _in_files(folder: Path, forms: Mapping[str, bytes]) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or not path.stat().st_size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for form, data in forms.items():
                if content.find(data) >= 0:
                    yield Finding(str(path.relative_to(folder)), form)
        for form in _matching(path.name.encode(), forms):
            yield Finding(f"{path.relative_to(folder)} (its name)", form)


def _matching(content: bytes, forms: Mapping[str, bytes]) -> Iterator[str]:
    return (form for form, data in forms.items() if data in content)


def _base64(data: bytes, shift: int) -> bytes:
    """What base64 makes of the text when `shift` bytes stand before it; what depends on its neighbours is cut off."""
    encoded = base64.b64encode(b"\0" * shift + data)
    start = 0 if shift == 0 else 4
    end = (shift + len(data)) // 3 * 4
    return encoded[start:end]
