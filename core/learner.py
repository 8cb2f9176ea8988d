"""When learning happens: off the reply path, one batch at a time per namespace (design §3.7)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby

from core.errors import ErasedMeanwhile, MemoryChatError
from core.policy import EnginePolicy
from core.ports import Clock, LanguageModel, LearnableTurn, MemoryPort, Store
from core.quotas import LearningBudget
from core.tracing import turn_context, where
from core.types import ChatMessage, MemoryNamespace, Role, TurnId, Usage
from core.vault import Vault

log = logging.getLogger(__name__)


class Learner:
    """`soon` counts turns and learns after enough of them, `now` at the end of a session, `quiet` by the scheduler."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        memory: MemoryPort,
        model: LanguageModel,
        clock: Clock,
        policy: EnginePolicy,
        budget: LearningBudget,
    ) -> None:
        self._store = store
        self._vault = vault
        self._memory = memory
        self._model = model
        self._clock = clock
        self._policy = policy
        self._budget = budget
        self._turns: Counter[MemoryNamespace] = Counter()
        self._tasks: dict[MemoryNamespace, asyncio.Task[None]] = {}

    def soon(self, namespace: MemoryNamespace) -> None:
        self._turns[namespace] += 1
        if self._turns[namespace] >= self._policy.learn_after_turns:
            self.now(namespace)

    def now(self, namespace: MemoryNamespace) -> None:
        """Begin to learn in the background; what is asked while a batch runs is taken by the next one."""
        self._turns.pop(namespace, None)
        if self._model.is_offline or namespace in self._tasks:
            return
        task = asyncio.create_task(self._guarded(namespace))
        self._tasks[namespace] = task
        task.add_done_callback(lambda _: self._tasks.pop(namespace, None))

    async def quiet(self) -> int:
        """Begin to learn wherever nobody has spoken for a while; in how many namespaces."""
        if self._model.is_offline:
            return 0
        before = self._clock.now() - self._policy.learn_quiet
        namespaces = await self._store.find_namespaces_to_learn(before, self._policy.learn_after_turns)
        for namespace in namespaces:
            self.now(namespace)
        return len(namespaces)

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """Running batches are dropped whole; their turns stay unlearned and come again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def learn(self, namespace: MemoryNamespace) -> int:
        """Take every turn that is not learned yet, in batches; how many turns were taken.

        Raises ModelError or StoreError: the turns stay unlearned.
        """
        taken = 0
        while batch := await self._learn_batch(namespace):
            taken += batch
        return taken

    async def _learn_batch(self, namespace: MemoryNamespace) -> int:
        """How many turns were taken; what came of it is a line of the log for each of them."""
        # Before the turns: what is forgotten from here on must not be written.
        read_at = (await self._store.get_namespace_state(namespace)).generation
        turns = await self._batch(namespace)
        if not turns:
            return 0
        today = self._clock.now().date()
        if not self._budget.allows(namespace.user_id, today):
            _tell(turns, "learning put off: daily budget used up")
            return 0
        try:
            outcome = await self._memory.extract_memories_from_conversation(namespace, turns, read_at=read_at)
            used = Usage(0, outcome.prompt_tokens, outcome.completion_tokens)
            self._budget.spend(namespace.user_id, today, used)
            await self._store.add_usage(namespace.user_id, today, used)
            await self._store.mark_learned(namespace, [turn.turn_id for turn in turns])
        except MemoryChatError as error:
            _tell(turns, f"not learned: {type(error).__name__}")
            raise
        _tell(turns, f"learned: {len(outcome.added)} new memories of {len(turns)} turns")
        return len(turns)

    async def _guarded(self, namespace: MemoryNamespace) -> None:
        try:
            await self.learn(namespace)
        except ErasedMeanwhile:
            log.info("learning dropped: the memory was erased meanwhile")
        except MemoryChatError as error:
            log.warning("learning failed and comes again: %s at %s", type(error).__name__, where(error))

    async def _batch(self, namespace: MemoryNamespace) -> list[LearnableTurn]:
        messages = await self._store.get_unlearned_messages(namespace, self._policy.learn_batch)
        turns = []
        for turn_id, group in groupby(messages, key=lambda message: message.turn_id):
            if turn_id is not None:
                turns.append(await self._turn(turn_id, list(group)))
        return [turn for turn in turns if turn is not None]

    async def _turn(self, turn_id: TurnId, messages: Sequence[ChatMessage]) -> LearnableTurn | None:
        said = [message for message in messages if message.role is Role.USER]
        if not said or said[0].author_id is None:
            return None
        replies = [message for message in messages if message.role is Role.ASSISTANT]
        # A reply that used another profile's memories must not teach this one, not even as context.
        if any(message.metadata.get("recalled_elsewhere") for message in replies):
            replies = []
        text = "\n".join(item.text for item in await self._vault.unseal_messages(said))
        reply = "\n".join(item.text for item in await self._vault.unseal_messages(replies))
        return LearnableTurn(
            turn_id=turn_id,
            author_id=said[0].author_id,
            author_name=said[0].author_name,
            said_at=said[0].created_at,
            text=text,
            reply=reply,
        )


def _tell(turns: Sequence[LearnableTurn], line: str) -> None:
    for turn in turns:
        with turn_context(turn.turn_id):
            log.info(line)
