"""Which memories answer a question best: meaning and words fused into one score. Pure.

The form comes from measurements (bench/retrieval.py): a convex sum of cosine and covered words, since either alone
loses on one kind of data, and reciprocal ranks throw away how near a hit is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.memory.dates import Period
from core.learning import text_key
from core.types import Memory, MemoryId, RecalledMemory

MEANING = 0.65
PARTIAL = 1.25
QUESTION_FACTOR = 0.8
SPEAKER_FACTOR = 1.1
PERIOD_FACTOR = 1.15
INHERITED = 0.5
NEWER_DEPTH = 10
NEWER_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory as ranking sees it; `asks`: the memory itself is a question (raw turns are stored)."""

    memory: Memory
    language: str
    asks: bool
    generation: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """`cosine` and `covered` (the share of the question's words it holds) are 0 to 1; `before` is what was said just
    before it in the same namespace."""

    entry: Entry
    cosine: float
    covered: float
    before: MemoryId | None = None


def rank(
    question: Sequence[str], candidates: Mapping[MemoryId, Candidate], periods: Sequence[Period] = ()
) -> list[RecalledMemory]:
    """Best first. `question` are the case-folded words of what is looked for, `periods` the times it names."""
    asked = frozenset(question)
    own = {memory_id: _score(asked, candidate, periods) for memory_id, candidate in candidates.items()}
    scored = (
        RecalledMemory(candidate.entry.memory, _with_inheritance(own, candidates, memory_id))
        for memory_id, candidate in candidates.items()
    )
    return sorted(scored, key=_order)


def newer_first(ranked: Sequence[RecalledMemory], rare: Callable[[MemoryId], frozenset[str]]) -> list[RecalledMemory]:
    """Of two hits that share a word which hardly any other memory holds, the one told later stands first, if it scores
    nearly as high: "I drive a Skoda", "Sold the Skoda, we have a Kia". Nothing is hidden by it, and it is bounded to
    the first hits; a general weight for what is recent loses more than it gains, and so does letting a faint one
    overtake: told by words of change or by how alike the two are, "Rex is ill" passes "My dog is called Rex"."""
    first: list[RecalledMemory] = []
    words = {hit.memory.id: rare(hit.memory.id) for hit in ranked[:NEWER_DEPTH]}
    for hit in ranked[:NEWER_DEPTH]:
        place = next((place for place, other in enumerate(first) if _follows(hit, other, words)), None)
        if place is None:
            first.append(hit)
        else:
            # With the score of what it overtakes, so that order and scores stay one thing.
            first.insert(place, replace(hit, score=first[place].score))
    return [*first, *ranked[NEWER_DEPTH:]]


def _follows(hit: RecalledMemory, other: RecalledMemory, words: Mapping[MemoryId, frozenset[str]]) -> bool:
    later = hit.memory.said_at > other.memory.said_at
    return later and hit.score >= NEWER_SHARE * other.score and bool(words[hit.memory.id] & words[other.memory.id])


@dataclass(frozen=True, slots=True)
class Floor:
    """Nothing is recalled when the best score is below `best`; of the rest, nothing below `each`."""

    best: float
    each: float


NO_FLOOR = Floor(0.0, 0.0)


def merged(lists: Iterable[Sequence[RecalledMemory]], limit: int, floor: Floor = NO_FLOOR) -> list[RecalledMemory]:
    """Over several namespaces: best first, texts that are told twice folded into the better one."""
    ranked = sorted((item for items in lists for item in items), key=_order)
    if not ranked or ranked[0].score < floor.best:
        return []
    best: dict[str, RecalledMemory] = {}
    for recalled in ranked:
        if recalled.score >= floor.each:
            best.setdefault(text_key(recalled.memory.text), recalled)
    return list(best.values())[:limit]


def _order(recalled: RecalledMemory) -> tuple[float, float, str]:
    """Equal scores: what was said later first."""
    return (-recalled.score, -recalled.memory.said_at.timestamp(), str(recalled.memory.id))


def _score(asked: frozenset[str], candidate: Candidate, periods: Sequence[Period]) -> float:
    score: float = MEANING * max(candidate.cosine, 0.0) + (1 - MEANING) * candidate.covered**PARTIAL
    if candidate.entry.asks:
        score *= QUESTION_FACTOR
    name = candidate.entry.memory.author_name.casefold().split()
    if name and name[0] in asked:
        score *= SPEAKER_FACTOR
    if any(period.holds(candidate.entry.memory.said_at) for period in periods):
        score *= PERIOD_FACTOR
    return score


def _with_inheritance(
    own: Mapping[MemoryId, float], candidates: Mapping[MemoryId, Candidate], memory_id: MemoryId
) -> float:
    """The answer to a stored question often shares no word with it: it takes half of what the question has more."""
    candidate, score = candidates[memory_id], own[memory_id]
    before = candidates.get(candidate.before) if candidate.before is not None else None
    if before is None or not before.entry.asks or before.entry.memory.author_id == candidate.entry.memory.author_id:
        return score
    return score + INHERITED * max(own[before.entry.memory.id] / QUESTION_FACTOR - score, 0.0)
