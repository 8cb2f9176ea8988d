"""One namespace in memory: its entries and words, and what of it answers a question."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.memory.dates import asked_periods
from adapters.memory.index import QdrantIndex
from adapters.memory.lexicon import Coverage, Lexicon
from adapters.memory.ranking import MEANING, Candidate, Entry, newer_first, rank
from adapters.memory.terms import words
from core.languages import detect_language
from core.learning import text_key
from core.types import Memory, MemoryId, MemoryNamespace, RecalledMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Place = tuple[float, float, MemoryId]

NEAREST = 40
BY_WORDS = 16
REPLIES = 8


class Opened:
    """One namespace in memory. Changed and read on the index's thread only."""

    def __init__(self, namespace: MemoryNamespace) -> None:
        self.namespace = namespace
        self.generation = -1
        self.erase_generation = 0
        self.used_at = 0.0
        self.dropped = False
        self.entries: dict[MemoryId, Entry] = {}
        self.keys: dict[str, MemoryId] = {}
        self.lexicon = Lexicon()
        self._told: list[Place] = []

    def add(self, entry: Entry) -> None:
        memory = entry.memory
        self.entries[memory.id] = entry
        self.keys.setdefault(text_key(memory.text), memory.id)
        self.lexicon.add(memory.id, _words_of(memory), entry.language)
        insort(self._told, _place(memory))

    def remove(self, memory_id: MemoryId) -> bool:
        entry = self.entries.pop(memory_id, None)
        if entry is None:
            return False
        memory = entry.memory
        if self.keys.get(text_key(memory.text)) == memory_id:
            del self.keys[text_key(memory.text)]
        self.lexicon.remove(memory_id, entry.language)
        del self._told[bisect_left(self._told, _place(memory))]
        return True

    def rare_words(self, memory_id: MemoryId) -> frozenset[str]:
        return self.lexicon.rare_terms(memory_id)

    def told_before(self, memory_id: MemoryId) -> MemoryId | None:
        place = bisect_left(self._told, _place(self.entries[memory_id].memory))
        return self._told[place - 1][2] if place else None

    def told_after(self, memory_id: MemoryId) -> MemoryId | None:
        place = bisect_right(self._told, _place(self.entries[memory_id].memory))
        return self._told[place][2] if place < len(self._told) else None


def _place(memory: Memory) -> Place:
    """Where a memory stands in what was told; what was told at one time stands as it was stored."""
    return memory.said_at.timestamp(), memory.created_at.timestamp(), memory.id


def find(
    opened: Opened, index: QdrantIndex, question: str, vector: Vectors, limit: int, now: datetime
) -> list[RecalledMemory]:
    """Every candidate that meaning or words bring, ranked."""
    if not opened.entries:
        return []
    deep = max(NEAREST, 2 * limit)
    cosines = index.nearest(opened.namespace, vector, deep)
    covered = opened.lexicon.cover(question)
    by_words = covered.best(max(BY_WORDS, limit))
    ids = [memory_id for memory_id in dict.fromkeys([*cosines, *by_words]) if memory_id in opened.entries]
    # A reply to a stored question may be near to the question asked now in neither way.
    asking = [memory_id for memory_id in ids if opened.entries[memory_id].asks]
    asking.sort(key=lambda one: -MEANING * cosines.get(one, 0.0) - (1 - MEANING) * covered.of(one))
    replies = (opened.told_after(memory_id) for memory_id in asking[:REPLIES])
    ids = list(dict.fromkeys([*ids, *(reply for reply in replies if reply is not None)]))
    cosines |= index.cosines(opened.namespace, vector, [memory_id for memory_id in ids if memory_id not in cosines])
    candidates = _candidates(opened, ids, cosines, covered)
    periods = asked_periods(question, now)
    ranked = rank(words(question), candidates, periods)
    return ranked if periods else newer_first(ranked, opened.rare_words)


def _candidates(
    opened: Opened, ids: Iterable[MemoryId], cosines: dict[MemoryId, float], covered: Coverage
) -> dict[MemoryId, Candidate]:
    return {
        memory_id: Candidate(
            opened.entries[memory_id],
            cosines.get(memory_id, 0.0),
            covered.of(memory_id),
            opened.told_before(memory_id),
        )
        for memory_id in ids
    }


def entry_of(memory: Memory, generation: int) -> Entry:
    language = detect_language(memory.text) or memory.language or "en"
    return Entry(memory, language, memory.text.rstrip().endswith(("?", "？")), generation)


def _words_of(memory: Memory) -> str:
    """With the speaker: in a room "what does Ben like" asks for what Ben said."""
    return f"{memory.author_name} {memory.text}"


def same_text(opened: Opened, text: str) -> Memory | None:
    """The memory that says the same already."""
    memory_id = opened.keys.get(text_key(text))
    return opened.entries[memory_id].memory if memory_id is not None else None
