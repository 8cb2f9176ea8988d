"""Which memories answer a question best: meaning and words fused into one score. Pure.

The form comes from measurements (bench/retrieval.py): a convex sum of cosine and covered words, since either alone
loses on one kind of data, and reciprocal ranks throw away how near a hit is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.learning import text_key
from core.types import Memory, MemoryId, RecalledMemory

MEANING = 0.6
QUESTION_FACTOR = 0.85
SPEAKER_FACTOR = 1.1
INHERITED = 0.5
FLOOR = 0.2


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory as ranking sees it; `asks`: the memory itself is a question (raw turns are stored)."""

    memory: Memory
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


def rank(question: Sequence[str], candidates: Mapping[MemoryId, Candidate]) -> list[RecalledMemory]:
    """Best first. `question` are the case-folded words of what is looked for."""
    asked = frozenset(question)
    own = {memory_id: _score(asked, candidate) for memory_id, candidate in candidates.items()}
    scored = (
        RecalledMemory(candidate.entry.memory, _with_inheritance(own, candidates, memory_id))
        for memory_id, candidate in candidates.items()
    )
    return sorted(scored, key=_order)


def merged(lists: Iterable[Sequence[RecalledMemory]], limit: int, floor: float) -> list[RecalledMemory]:
    """Over several namespaces: best first, texts that are told twice folded into the better one, nothing below
    `floor`."""
    best: dict[str, RecalledMemory] = {}
    for recalled in sorted((item for items in lists for item in items), key=_order):
        if recalled.score >= floor:
            best.setdefault(text_key(recalled.memory.text), recalled)
    return list(best.values())[:limit]


def _order(recalled: RecalledMemory) -> tuple[float, float, str]:
    """Equal scores: what was said later first."""
    return (-recalled.score, -recalled.memory.said_at.timestamp(), str(recalled.memory.id))


def _score(asked: frozenset[str], candidate: Candidate) -> float:
    score = MEANING * max(candidate.cosine, 0.0) + (1 - MEANING) * candidate.covered
    if candidate.entry.asks:
        score *= QUESTION_FACTOR
    name = candidate.entry.memory.author_name.casefold().split()
    if name and name[0] in asked:
        score *= SPEAKER_FACTOR
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
