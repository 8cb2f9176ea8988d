"""The learning batch of design §3.7: one structured model call over stamped turns, then one write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.memory.embedder import Embedder
from adapters.memory.mem0_gateway import Mem0Gateway
from adapters.memory.namespaces import Namespaces
from adapters.memory.opened import Opened, same_text
from adapters.memory.records import Draft, RecordKeeper
from adapters.memory.vector_store import Staged, Work
from core.batches import LearnBatch
from core.errors import MalformedAnswer
from core.languages import detect_language
from core.learning import (
    LEARNING_SCHEMA,
    MAX_TURN,
    LearnedFact,
    learning_prompt,
    parse_learning_answer,
    text_key,
)
from core.ports import (
    Clock,
    LanguageModel,
    LearnableTurn,
    LearningOutcome,
    MemoryOrigin,
    ModelMessage,
    ModelUsage,
    Store,
)
from core.secrecy import holds_secret
from core.statements import recent_memories, statements
from core.types import Memory, MemoryId, MemoryNamespace, MemoryState, RecalledMemory, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

KNOWN_A_TURN = 6
KNOWN_AT_MOST = 24
TOKENS_A_TURN = 160
TOKENS_AT_MOST = 2_400
AGAIN = "That was not JSON of the asked shape. Answer again with the JSON object alone."


@dataclass(frozen=True, slots=True)
class Fact:
    """`row`: mem0 has staged it already."""

    text: str
    origin: MemoryOrigin
    replaces: tuple[MemoryId, ...] = ()
    row: Staged | None = None


@dataclass(slots=True)
class Learned:
    """What a model made of a batch, and what asking it cost."""

    facts: list[Fact] = field(default_factory=list)
    calls: int = 0
    usage: ModelUsage = field(default_factory=ModelUsage)


class Consolidation:
    """Facts are staged through mem0's `add(infer=False)` and committed by `Store.apply_learning`: facts, superseded
    memories and the `recent` rows they replace change in one transaction that checks the erase generation read before
    the model was called. Writing them one by one would leave doubles after a crash."""

    def __init__(
        self,
        store: Store,
        keeper: RecordKeeper,
        namespaces: Namespaces,
        embedder: Embedder,
        model: LanguageModel,
        mem0: Mem0Gateway,
        clock: Clock,
        *,
        inferred_by_mem0: bool,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._namespaces = namespaces
        self._embedder = embedder
        self._model = model
        self._mem0 = mem0
        self._clock = clock
        self._inferred_by_mem0 = inferred_by_mem0

    async def learn(
        self, namespace: MemoryNamespace, turns: Sequence[LearnableTurn], read_at: int | None = None
    ) -> LearningOutcome:
        """As `MemoryPort.extract_memories_from_conversation`."""
        opened = await self._namespaces.fresh(namespace)
        # Read now: another task may bring the namespace up to date while the model is asked.
        erase_generation = opened.erase_generation
        read_at = opened.generation if read_at is None else read_at
        worth = [turn for turn in turns if _is_news(opened, turn)]
        if self._model.is_offline or not worth:
            return LearningOutcome()
        ask = self._ask_mem0 if self._inferred_by_mem0 else self._ask_model
        learned = await ask(opened, worth)
        batch = await self._batch(opened, learned.facts, turns, erase_generation, read_at)
        await self._store.apply_learning(batch)
        return LearningOutcome(
            added=tuple(record.id for record in batch.add),
            superseded=tuple(old for old, _ in batch.supersede),
            replaced_recent=len(batch.remove),
            model_calls=learned.calls,
            prompt_tokens=learned.usage.prompt_tokens,
            completion_tokens=learned.usage.completion_tokens,
        )

    async def _ask_model(self, opened: Opened, turns: Sequence[LearnableTurn]) -> Learned:
        known = await self._known(opened, turns)
        prompt = learning_prompt(turns, known)
        learned = Learned()
        try:
            facts = await self._answer(learned, prompt, len(turns), len(known))
        except MalformedAnswer:
            prompt = [*prompt, ModelMessage(Role.USER, AGAIN)]
            facts = await self._answer(learned, prompt, len(turns), len(known))
        for fact in facts:
            replaces = tuple(known[place].id for place in fact.replaces)
            learned.facts.append(Fact(fact.text, _origin([turns[place] for place in fact.turns], fact.text), replaces))
        return learned

    async def _answer(
        self, learned: Learned, prompt: Sequence[ModelMessage], turns: int, known: int
    ) -> list[LearnedFact]:
        answer = await self._model.generate_response(
            prompt,
            temperature=0.0,
            max_tokens=min(TOKENS_AT_MOST, TOKENS_A_TURN * (turns + 1)),
            response_schema=LEARNING_SCHEMA,
        )
        learned.calls += 1
        learned.usage = ModelUsage(
            learned.usage.prompt_tokens + answer.usage.prompt_tokens,
            learned.usage.completion_tokens + answer.usage.completion_tokens,
        )
        if answer.finish_reason == "length":
            raise MalformedAnswer("learning", "cut off")
        return parse_learning_answer(answer.text, turns, known)

    async def _known(self, opened: Opened, turns: Sequence[LearnableTurn]) -> list[Memory]:
        """The memories that the turns may repeat or replace: what is nearest to each, the batch's own left out.

        Generous, since an update is often not similar to what it replaces (facts: median cosine 0.32)."""
        own = {turn.turn_id for turn in turns}
        best: dict[MemoryId, tuple[float, Memory]] = {}
        for turn in turns:
            vector = (await self._embedder.embed([turn.text]))[0]
            found = await self._namespaces.run(self._namespaces.rank_one, opened, turn.text, vector) or []
            others = [one for one in found if not own & set(one.memory.source_turns)]
            for one in others[:KNOWN_A_TURN]:
                score = max(one.score, best.get(one.memory.id, (0.0,))[0])
                best[one.memory.id] = (score, one.memory)
        ranked = sorted(best.values(), key=lambda item: -item[0])[:KNOWN_AT_MOST]
        return sorted((memory for _, memory in ranked), key=lambda memory: memory.said_at)

    async def _ask_mem0(self, opened: Opened, turns: Sequence[LearnableTurn]) -> Learned:
        def search(text: str, vector: Vectors) -> Sequence[RecalledMemory]:
            return self._namespaces.run_blocking(self._namespaces.rank_one, opened, text, vector) or []

        work = Work(opened.namespace, search=search)
        messages: list[dict[str, str]] = []
        for turn in turns:
            messages.append({"role": "user", "content": turn.text})
            if turn.reply:
                messages.append({"role": "assistant", "content": turn.reply})
        await self._mem0.infer(work, messages)
        facts = [Fact(row.text, _origin(turns, row.text), row=row) for row in work.staged if not holds_secret(row.text)]
        return Learned(facts, work.calls, work.usage)

    async def _batch(
        self,
        opened: Opened,
        facts: Sequence[Fact],
        turns: Sequence[LearnableTurn],
        erase_generation: int,
        read_at: int,
    ) -> LearnBatch:
        recent = _recent_of(opened, turns)
        known = {key: memory_id for key, memory_id in opened.keys.items() if memory_id not in recent}
        new = [fact for fact in facts if text_key(fact.text) not in known]
        rows = await self._staged(opened.namespace, new)
        known |= {text_key(row.text): MemoryId(row.id) for row in rows}
        supersede: dict[MemoryId, MemoryId] = {}
        for fact in facts:
            by = known[text_key(fact.text)]
            for old in fact.replaces:
                if old != by and old not in recent:
                    supersede.setdefault(old, by)
        now = self._clock.now()
        drafts = [_draft(fact, row) for fact, row in zip(new, rows, strict=True)]
        return LearnBatch(
            namespace=opened.namespace,
            erase_generation=erase_generation,
            read_at=read_at,
            add=tuple([await self._keeper.seal(opened.namespace, draft, now) for draft in drafts]),
            remove=recent,
            supersede=tuple(supersede.items()),
        )

    async def _staged(self, namespace: MemoryNamespace, facts: Sequence[Fact]) -> list[Staged]:
        rows = [fact.row for fact in facts if fact.row is not None]
        if len(rows) == len(facts):
            return rows
        texts = [fact.text for fact in facts]
        vectors = await self._embedder.embed(texts)
        work = Work(namespace, vectors=dict(zip(texts, vectors.tolist(), strict=True)))
        await self._mem0.add_texts(work, texts)
        return work.staged


def _is_news(opened: Opened, turn: LearnableTurn) -> bool:
    """Whether a turn tells something that is not learned yet, word for word."""
    if not statements(turn.text):
        return False
    same = same_text(opened, turn.text)
    return same is None or same.state is MemoryState.RECENT


def _recent_of(opened: Opened, turns: Sequence[LearnableTurn]) -> tuple[MemoryId, ...]:
    """The `recent` memories that a batch replaces: not those of a long message that the model was not shown."""
    batch = {turn.turn_id for turn in turns}
    unshown = {key for turn in turns for key in _unshown(turn)}
    memories = (entry.memory for entry in opened.entries.values())
    return tuple(
        memory.id
        for memory in memories
        if memory.state is MemoryState.RECENT
        and batch & set(memory.source_turns)
        and text_key(memory.text) not in unshown
    )


def _unshown(turn: LearnableTurn) -> set[str]:
    if len(turn.text) <= MAX_TURN:
        return set()
    shown = {text_key(piece) for piece in recent_memories(turn.text[:MAX_TURN])}
    return {text_key(piece) for piece in recent_memories(turn.text)} - shown


def _origin(turns: Sequence[LearnableTurn], text: str) -> MemoryOrigin:
    """A fact was said when the last of its turns was, by whoever said the first."""
    return MemoryOrigin(
        said_at=max(turn.said_at for turn in turns),
        author_id=turns[0].author_id,
        author_name=turns[0].author_name,
        platform=turns[0].platform,
        source_turns=tuple(turn.turn_id for turn in turns),
        language=detect_language(text),
    )


def _draft(fact: Fact, row: Staged) -> Draft:
    import numpy as np

    vector = np.asarray(row.vector, np.float32)
    return Draft(row.text, vector, fact.origin, MemoryState.LEARNED, {}, MemoryId(row.id))
