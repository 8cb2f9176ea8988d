"""The words of one namespace's memories, and how much of a question each memory covers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from adapters.memory.terms import document_terms, query_terms
from core.types import MemoryId

K1 = 1.2
B = 0.4


class Lexicon:
    """An inverted index that takes single changes. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self._postings: dict[str, list[MemoryId]] = {}
        self._lengths: dict[MemoryId, int] = {}
        self._total = 0
        self._languages: Counter[str] = Counter()

    def add(self, memory_id: MemoryId, text: str, language: str) -> None:
        terms = document_terms(text, language)
        for term in terms:
            self._postings.setdefault(term, []).append(memory_id)
        self._lengths[memory_id] = len(terms)
        self._total += len(terms)
        self._languages[language] += 1

    def remove(self, memory_id: MemoryId, text: str, language: str) -> None:
        """Takes the same text and language as `add` did, so that they need not be kept twice."""
        for term in document_terms(text, language):
            holders = self._postings[term]
            holders.remove(memory_id)
            if not holders:
                del self._postings[term]
        self._total -= self._lengths.pop(memory_id)
        self._languages[language] -= 1

    def scores(self, question: str) -> dict[MemoryId, float]:
        """BM25 of each memory that shares a term with the question, as a share (0 to 1) of what a memory that holds
        every informative term of the question would get: rare words weigh more, words that no memory holds count as
        missing. Each term counts once a memory; chat seldom says a word twice."""
        terms = query_terms(question, self._known_languages())
        scores: dict[MemoryId, float] = {}
        best = 0.0
        average = self._total / len(self._lengths) if self._lengths else 1.0
        for forms in terms:
            holders = self._holders(forms)
            weight = self._rarity(len(holders))
            best += weight
            for memory_id in holders:
                length = self._lengths[memory_id] / (average or 1.0)
                scores[memory_id] = scores.get(memory_id, 0.0) + weight * (K1 + 1) / (1 + K1 * (1 - B + B * length))
        return {memory_id: min(score / best, 1.0) for memory_id, score in scores.items()}

    def _known_languages(self) -> tuple[str, ...]:
        return tuple(language for language, count in self._languages.items() if count > 0)

    def _holders(self, forms: Sequence[str]) -> Sequence[MemoryId]:
        lists = [self._postings[form] for form in forms if form in self._postings]
        if len(lists) < 2:
            return lists[0] if lists else ()
        return list(dict.fromkeys(memory_id for holders in lists for memory_id in holders))

    def _rarity(self, holders: int) -> float:
        return math.log1p((len(self._lengths) - holders + 0.5) / (holders + 0.5))
