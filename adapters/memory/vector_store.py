"""What mem0 is given instead of its own parts. Nothing here imports mem0; mem0 calls it from worker threads.

mem0's writes are staged in a `Work` and committed afterwards by one transaction of the Store. So a batch is written
whole or not at all, the namespace's erase generation is checked with it, and nothing is lost between threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.memory.embedder import Embedder
from core.errors import InvalidNamespace, MalformedAnswer, MemoryChatError, NotFound
from core.ports import LanguageModel, ModelMessage, ModelUsage
from core.types import JsonValue, MemoryNamespace, Metadata, RecalledMemory, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Payload = Mapping[str, JsonValue]
Search = Callable[[str, "NDArray[np.float32]"], Sequence[RecalledMemory]]

TIMEOUT_SECONDS = 300.0
ANSWER_SCHEMA: Metadata = {
    "type": "object",
    "additionalProperties": False,
    "required": ["memory"],
    "properties": {
        "memory": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["text"],
                "properties": {"text": {"type": "string"}},
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A row as mem0 reads it."""

    id: str
    score: float
    payload: Payload


@dataclass(frozen=True, slots=True)
class Staged:
    """A row that mem0 wants to insert or replace."""

    id: str
    text: str
    vector: Sequence[float]


@dataclass(slots=True)
class Work:
    """One call into mem0: the namespace it is for, what is known already, and what it wants to write."""

    namespace: MemoryNamespace
    vectors: dict[str, list[float]] = field(default_factory=dict)
    known: dict[str, Payload] = field(default_factory=dict)
    search: Search | None = None
    staged: list[Staged] = field(default_factory=list)
    error: MemoryChatError | None = None
    calls: int = 0
    usage: ModelUsage = field(default_factory=ModelUsage)


current: ContextVar[Work] = ContextVar("mem0_work")


class StagingVectorStore:
    """mem0's vector store. Every payload and filter must name the namespace that the call is for.

    Raises InvalidNamespace otherwise, so that neither `*` nor another person's id can get through.
    """

    def insert(self, vectors: Sequence[Sequence[float]], payloads: Sequence[Payload], ids: Sequence[str]) -> None:
        for vector, payload, memory_id in zip(vectors, payloads, ids, strict=True):
            self._stage(memory_id, vector, payload)

    def update(self, vector_id: str, vector: Sequence[float], payload: Payload) -> None:
        self._stage(vector_id, vector, payload)

    def get(self, vector_id: str) -> Hit | None:
        payload = current.get().known.get(vector_id)
        return Hit(vector_id, 1.0, payload) if payload is not None else None

    def search(
        self,
        query: str,
        vectors: Sequence[float],
        top_k: int = 5,
        filters: Mapping[str, JsonValue] | None = None,
    ) -> list[Hit]:
        import numpy as np

        work = self._work(filters or {})
        if work.search is None:
            return []
        found = work.search(query, np.asarray(vectors, np.float32))[:top_k]
        user_id = str(work.namespace)
        return [Hit(str(one.memory.id), one.score, {"data": one.memory.text, "user_id": user_id}) for one in found]

    def keyword_search(self, query: str, top_k: int = 5, filters: Mapping[str, JsonValue] | None = None) -> None:
        """Nothing: `search` has weighed the words already, and mem0 keeps its order then."""

    def list(self, filters: Mapping[str, JsonValue] | None = None, top_k: int | None = None) -> list[list[Hit]]:
        work = self._work(filters or {})
        return [[Hit(memory_id, 1.0, payload) for memory_id, payload in work.known.items()][:top_k]]

    def _stage(self, memory_id: str, vector: Sequence[float], payload: Payload) -> None:
        work = self._work(payload)
        work.staged.append(Staged(memory_id, str(payload["data"]), vector))

    def _work(self, scope: Mapping[str, JsonValue]) -> Work:
        work = current.get()
        if scope.get("user_id") != str(work.namespace):
            raise InvalidNamespace
        return work


class BridgedEmbedder:
    """mem0's embedder: what the call brought along, else ours, on the event loop that called."""

    def __init__(self, embedder: Embedder, loop: asyncio.AbstractEventLoop) -> None:
        self._embedder = embedder
        self._loop = loop

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return self.embed_batch([text], memory_action)[0]

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        known = current.get().vectors
        missing = [text for text in texts if text not in known]
        if missing:
            future = asyncio.run_coroutine_threadsafe(self._embedder.embed(missing), self._loop)
            known.update(zip(missing, future.result(TIMEOUT_SECONDS).tolist(), strict=True))
        return [known[text] for text in texts]


class BridgedModel:
    """mem0's language model: ours, so that its time-outs, retries and typed errors hold, and no environment variable
    can send a conversation to another endpoint. An answer of another shape than mem0 reads is an error here; mem0
    itself would drop it without a word."""

    def __init__(self, model: LanguageModel, loop: asyncio.AbstractEventLoop) -> None:
        self._model = model
        self._loop = loop

    def generate_response(
        self, messages: Sequence[Mapping[str, str]], response_format: object = None, **_: object
    ) -> str:
        work = current.get()
        asked = [ModelMessage(Role(message["role"]), message["content"]) for message in messages]
        call = self._model.generate_response(asked, temperature=0.0, response_schema=ANSWER_SCHEMA)
        try:
            answer = asyncio.run_coroutine_threadsafe(call, self._loop).result(TIMEOUT_SECONDS)
            work.calls += 1
            work.usage = answer.usage
            return checked_answer(answer.text)
        except MemoryChatError as error:
            work.error = error
            raise


def checked_answer(text: str) -> str:
    """The answer as mem0 reads it. Raises MalformedAnswer for any other shape."""
    try:
        rows = json.loads(text)["memory"]
        sound = isinstance(rows, list) and all(isinstance(row["text"], str) and row["text"].strip() for row in rows)
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise MalformedAnswer("mem0")
    return text


def payload_of(namespace: MemoryNamespace, text: str) -> Payload:
    """A stored memory as mem0's update reads it."""
    return {"data": text, "user_id": str(namespace)}


def only(staged: Sequence[Staged]) -> Staged:
    """The one row of a call that writes one. Raises NotFound when mem0 wrote none."""
    if len(staged) != 1:
        raise NotFound
    return staged[0]
