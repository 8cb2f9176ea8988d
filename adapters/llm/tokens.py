"""Token counts from OpenAI's public token tables, which `bpe-openai` carries along (no download)."""

from __future__ import annotations

import re
import threading
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Protocol, cast

# The models that still count in cl100k (https://github.com/openai/tiktoken, model.py); all newer ones use o200k.
_CL100K = re.compile(r"^(?:gpt-4(?!o|\.|\d)|gpt-3\.5|gpt-35|text-embedding-)")


class _Table(Protocol):
    def count(self, text: str) -> int: ...


class _Bindings(Protocol):
    def tokenizer_for_encoding(self, encoding_name: str) -> _Table: ...


def encoding_name(model: str) -> str:
    """The token table of an OpenAI model. For models of others it only gives an estimate, usually within a quarter."""
    return "cl100k_base" if _CL100K.match(model.rpartition("/")[2]) else "o200k_base"


def estimate_tokens(text: str) -> int:
    """Without a table: a token is about 3.5 bytes of UTF-8; errs on the high side for most languages."""
    return -(-2 * len(text.encode("utf-8", "replace")) // 7)


class TokenCounter:
    """Counts exactly for OpenAI's models once its table is there.

    Loading takes 0.1 s and 65 MB, so it starts with the first count, in a thread; until it is done counts are
    `estimate_tokens`. Thread-safe.
    """

    def __init__(self, model: str) -> None:
        self._encoding = encoding_name(model)
        self._table: _Table | None = None
        self._loading = threading.Lock()

    def count(self, text: str) -> int:
        """Takes about 1 ms per 25,000 characters. Special tokens in the text count as the words they are."""
        if self._table is None:
            self._load_soon()
            return estimate_tokens(text)
        return self._table.count(text.encode("utf-8", "replace").decode())

    def load(self) -> None:
        """Load the table now. Blocks."""
        self._table = _bindings().tokenizer_for_encoding(self._encoding)

    def _load_soon(self) -> None:
        if self._loading.acquire(blocking=False):  # never released: one loading is enough
            threading.Thread(target=self.load, name="token-table", daemon=True).start()


def _bindings() -> _Bindings:
    """The Rust part of bpe-openai alone. Its Python package reads all tables a second time when it is imported, for
    tiktoken's interface: 66 MB and 0.6 s more."""
    package = find_spec("bpe_openai")
    spec = PathFinder.find_spec("_bindings", package.submodule_search_locations if package else [])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("bpe_openai._bindings")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(_Bindings, module)
