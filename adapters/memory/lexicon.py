"""The words of one namespace's memories, and how much of a question each memory covers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from adapters.memory.terms import document_terms, query_terms
from core.types import MemoryId

K1 = 1.2
B = 0.2


class Lexicon:
    """An inverted index that takes single changes. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self._postings: dict[str, list[MemoryId]] = {}
        self._terms: dict[MemoryId, tuple[str, ...]] = {}
        self._total = 0
        self._languages: Counter[str] = Counter()

    def add(self, memory_id: MemoryId, text: str, language: str) -> None:
        terms = self._terms[memory_id] = tuple(document_terms(text, language))
        for term in terms:
            self._postings.setdefault(term, []).append(memory_id)
        self._total += len(terms)
        self._languages[language] += 1

    def remove(self, memory_id: MemoryId, language: str) -> None:
        """`language` is the one that was added."""
        terms = self._terms.pop(memory_id)
        for term in terms:
            holders = self._postings[term]
            holders.remove(memory_id)
            if not holders:
                del self._postings[term]
        self._total -= len(terms)
        self._languages[language] -= 1

    def scores(self, question: str) -> dict[MemoryId, float]:
        """BM25 of each memory that shares a term with the question, as a share (0 to 1) of what a memory that holds
        every informative term of the question would get. Words that no memory holds count as missing; a memory whose
        rarest shared word is a common one gets less. Each term counts once a memory; chat seldom says a word twice."""
        weighed = [(self._rarity(len(holders)), holders) for holders in self._asked(question)]
        whole = sum(weight for weight, _ in weighed)
        sums: dict[MemoryId, float] = {}
        rarest: dict[MemoryId, float] = {}
        # The rarest first, so that the first word met is a memory's rarest: a thousand memories come with a question.
        for weight, holders in sorted(weighed, key=lambda item: -item[0]):
            for memory_id in holders:
                if memory_id in sums:
                    sums[memory_id] += weight
                else:
                    sums[memory_id] = rarest[memory_id] = weight
        single = self._rarity(1)
        saturation = self._saturations()
        return {
            memory_id: min(total * saturation[len(self._terms[memory_id])] / whole, 1.0)
            * min(rarest[memory_id] / single, 1.0)
            for memory_id, total in sums.items()
        }

    def rare_terms(self, memory_id: MemoryId) -> frozenset[str]:
        """The words of a memory that at most one other holds."""
        return frozenset(term for term in self._terms[memory_id] if len(self._postings[term]) <= 2)

    def _saturations(self) -> _Saturations:
        return _Saturations(self._total / len(self._terms)) if self._terms else _Saturations(1.0)

    def _asked(self, question: str) -> list[Sequence[MemoryId]]:
        """The holders of each term."""
        return [self._holders(forms) for forms in query_terms(question, self._known_languages())]

    def _known_languages(self) -> tuple[str, ...]:
        return tuple(language for language, count in self._languages.items() if count > 0)

    def _holders(self, forms: Sequence[str]) -> Sequence[MemoryId]:
        lists = [self._postings[form] for form in forms if form in self._postings]
        if len(lists) < 2:
            return lists[0] if lists else ()
        return list(dict.fromkeys(memory_id for holders in lists for memory_id in holders))

    def _rarity(self, holders: int) -> float:
        return math.log1p((len(self._terms) - holders + 0.5) / (holders + 0.5))


class _Saturations(dict[int, float]):
    """What a term counts in a memory of so many terms, when memories have `average` of them; worked out once each."""

    def __init__(self, average: float) -> None:
        super().__init__()
        self._average = average

    def __missing__(self, terms: int) -> float:
        self[terms] = value = (K1 + 1) / (1 + K1 * (1 - B + B * terms / self._average))
        return value
