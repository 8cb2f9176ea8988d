"""Token counts from OpenAI's public token tables, which `bpe-openai` carries along (no download)."""

from __future__ import annotations

import re
import threading
from typing import Protocol

# The models that still count in cl100k (https://github.com/openai/tiktoken, model.py); all newer ones use o200k.
_CL100K = re.compile(r"^(?:gpt-4(?!o|\.|\d)|gpt-3\.5|gpt-35|text-embedding-)")
_PIECE = 100_000


class _Table(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


def encoding_name(model: str) -> str:
    """The token table of an OpenAI model. For models of others it only gives an estimate, usually within a quarter."""
    return "cl100k_base" if _CL100K.match(model.rpartition("/")[2]) else "o200k_base"


def estimate_tokens(text: str) -> int:
    """Without a table: a token is about 3.5 bytes of UTF-8; errs on the high side for most languages."""
    return -(-2 * len(text.encode("utf-8", "replace")) // 7)


class TokenCounter:
    """Counts exactly for OpenAI's models once its table is there.

    Loading takes 0.7 s and 130 MB, so it starts with the first count, in a thread; until it is done counts are
    `estimate_tokens`. Thread-safe.
    """

    def __init__(self, model: str) -> None:
        self._encoding = encoding_name(model)
        self._table: _Table | None = None
        self._loading = threading.Lock()

    def count(self, text: str) -> int:
        """Never blocks for longer than the text takes (about 1 ms per 25,000 characters)."""
        if self._table is None:
            self._load_soon()
            return estimate_tokens(text)
        return sum(len(self._table.encode_ordinary(text[i : i + _PIECE])) for i in range(0, len(text), _PIECE))

    def load(self) -> None:
        """Load the table now. Blocks."""
        import bpe_openai  # takes half a second

        self._table = bpe_openai.get_encoding(self._encoding)

    def _load_soon(self) -> None:
        if self._loading.acquire(blocking=False):  # never released: one loading is enough
            threading.Thread(target=self.load, name="token-table", daemon=True).start()
