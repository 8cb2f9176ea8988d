"""The words of one namespace's memories, and how much of a question each memory covers."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.memory.terms import document_terms, query_terms
from core.types import MemoryId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.uint32]

K1 = 1.2
B = 0.2


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a question each memory covers, 0 to 1, as the lexicon was when it was asked."""

    _places: Mapping[MemoryId, int]
    _ids: Sequence[MemoryId]
    _shares: Floats

    def of(self, memory_id: MemoryId) -> float:
        place = self._places.get(memory_id)
        return float(self._shares[place]) if place is not None else 0.0

    def best(self, count: int) -> list[MemoryId]:
        """The memories that cover most, best first; none that shares no word."""
        import numpy as np

        hits = np.flatnonzero(self._shares)
        if len(hits) > count:
            hits = hits[np.argpartition(-self._shares[hits], count - 1)[:count]]
        return [self._ids[place] for place in hits[np.argsort(-self._shares[hits], kind="stable")]]


class Lexicon:
    """An inverted index that takes single changes. Not thread-safe: one thread owns it.

    A memory has a place, a row of the numbers that a question is answered with; a place that falls free is used again.
    """

    def __init__(self) -> None:
        self._postings: dict[str, array[int]] = {}
        self._terms: dict[MemoryId, tuple[str, ...]] = {}
        self._places: dict[MemoryId, int] = {}
        self._ids: list[MemoryId] = []
        self._lengths = array("d")
        self._free: list[int] = []
        self._total = 0
        self._languages: Counter[str] = Counter()

    def add(self, memory_id: MemoryId, text: str, language: str) -> None:
        terms = self._terms[memory_id] = tuple(document_terms(text, language))
        place = self._places[memory_id] = self._place(memory_id, len(terms))
        for term in terms:
            self._postings.setdefault(term, array("I")).append(place)
        self._total += len(terms)
        self._languages[language] += 1

    def remove(self, memory_id: MemoryId, language: str) -> None:
        """`language` is the one that was added."""
        terms, place = self._terms.pop(memory_id), self._places.pop(memory_id)
        for term in terms:
            holders = self._postings[term]
            holders.remove(place)
            if not holders:
                del self._postings[term]
        self._free.append(place)
        self._total -= len(terms)
        self._languages[language] -= 1

    def cover(self, question: str) -> Coverage:
        """BM25 of each memory that shares a term with the question, as a share (0 to 1) of what a memory that holds
        every informative term of the question would get. Words that no memory holds count as missing; a memory whose
        rarest shared word is a common one gets less. Each term counts once a memory; chat seldom says a word twice."""
        import numpy as np

        sums, rarest = np.zeros(len(self._ids)), np.zeros(len(self._ids))
        whole = 0.0
        for holders in self._asked(question):
            weight = self._rarity(len(holders))
            whole += weight
            sums[holders] += weight
            rarest[holders] = np.maximum(rarest[holders], weight)
        shares = np.zeros(len(self._ids))
        hits = np.flatnonzero(sums)
        if len(hits):
            saturation = (K1 + 1) / (1 + K1 * (1 - B + B * np.frombuffer(self._lengths)[hits] / self._average()))
            in_whole = np.minimum(sums[hits] * saturation / whole, 1.0)
            shares[hits] = in_whole * np.minimum(rarest[hits] / self._rarity(1), 1.0)
        return Coverage(self._places, self._ids, shares)

    def rare_terms(self, memory_id: MemoryId) -> frozenset[str]:
        """The words of a memory that at most one other holds."""
        return frozenset(term for term in self._terms[memory_id] if len(self._postings[term]) <= 2)

    def _place(self, memory_id: MemoryId, terms: int) -> int:
        if self._free:
            place = self._free.pop()
            self._ids[place], self._lengths[place] = memory_id, terms
            return place
        self._ids.append(memory_id)
        self._lengths.append(terms)
        return len(self._ids) - 1

    def _average(self) -> float:
        return self._total / len(self._terms)

    def _asked(self, question: str) -> list[Places]:
        """The places of each term's holders."""
        languages = tuple(language for language, count in self._languages.items() if count > 0)
        return [self._holders(forms) for forms in query_terms(question, languages)]

    def _holders(self, forms: Sequence[str]) -> Places:
        import numpy as np

        lists = [np.frombuffer(self._postings[form], np.uintc) for form in forms if form in self._postings]
        if not lists:
            return np.zeros(0, np.uintc)
        return lists[0] if len(lists) == 1 else np.unique(np.concatenate(lists))

    def _rarity(self, holders: int) -> float:
        return math.log1p((len(self._terms) - holders + 0.5) / (holders + 0.5))
