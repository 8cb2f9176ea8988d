"""The rolling summary of a long session: what the prompt's history no longer holds, made off the reply path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from core.errors import MemoryChatError
from core.messages import HistoryMessage, Stamp
from core.policy import EnginePolicy
from core.ports import Clock, LanguageModel, Store
from core.privacy import policy_of
from core.prompts import build_summary_messages, trim_history
from core.quotas import LearningBudget
from core.text import clean_text, is_blank, shorten
from core.tracing import where
from core.types import ChatMessage, ChatSession, Role, SessionId, Usage, UserId
from core.vault import Vault

log = logging.getLogger(__name__)

SHARE_FULL = 0.75
"""A history that fills that much of its budget is summarised, so that nothing falls out of the prompt unseen."""
SHARE_KEPT = 0.5
"""As much of the budget stays as it was said. What is between the two is the talk from one summary to the next, during
which the prompt's beginning stays the same, so that providers find it in their caches."""
SUMMARY_TOKENS = 400
MAX_SUMMARY = 2_000
"""Characters."""
MOST_MESSAGES = 200
"""As many of the newest messages are summarised in one call, when a forgotten message took the summary with it."""


def since_summary(messages: Sequence[ChatMessage], session: ChatSession) -> list[ChatMessage]:
    """The messages that the session's summary does not tell of."""
    return [message for message in messages if message.seq > session.summary_until_seq]


def fit_history(
    history: Sequence[HistoryMessage], model: LanguageModel, policy: EnginePolicy
) -> tuple[list[HistoryMessage], bool]:
    """What of the history goes into the prompt, and whether some of it is about to fall out."""
    kept, over = trim_history(history, int(SHARE_FULL * policy.history_tokens), model.count_tokens)
    if over:
        kept, _ = trim_history(history, policy.history_tokens, model.count_tokens)
    return kept, bool(over) or len(history) >= SHARE_FULL * policy.history_messages


class Summarizer:
    """One summary at a time per session. Never of an incognito talk, and never without a model.

    It is sealed under the session's key and goes with any message of the session that goes; what remains is summarised
    anew. A failure costs nothing but the summary: the oldest messages are then left out of the prompt.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        model: LanguageModel,
        clock: Clock,
        policy: EnginePolicy,
        budget: LearningBudget,
    ) -> None:
        self._store = store
        self._vault = vault
        self._model = model
        self._clock = clock
        self._policy = policy
        self._budget = budget
        self._tasks: dict[SessionId, asyncio.Task[None]] = {}
        self._not_before: dict[SessionId, datetime] = {}

    def soon(self, stamp: Stamp) -> None:
        """Begin in the background, unless it is being done, or failed a short while ago."""
        session_id = stamp.session_id
        if self._model.is_offline or not policy_of(stamp.mode).persist or session_id in self._tasks:
            return
        if self._clock.now() < self._not_before.get(session_id, self._clock.now()):
            return
        task = asyncio.create_task(self._guarded(stamp.owner_id, session_id))
        self._tasks[session_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(session_id, None))

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """What is being made is dropped; the next long prompt asks for it again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def summarize(self, owner_id: UserId, session_id: SessionId) -> bool:
        """Fold the older half of what the summary does not hold yet into it. False: there was nothing to do, the day's
        budget is used up, or what was read has changed meanwhile. Raises ModelError, StoreError, NotFound."""
        session = await self._store.get_chat_session(owner_id, session_id)
        if not policy_of(session.privacy_mode).persist:
            return False
        recent = await self._store.get_recent_messages(owner_id, session_id, MOST_MESSAGES)
        older = await self._older(since_summary(recent, session))
        today = self._clock.now().date()
        if not older or not self._budget.allows(owner_id, today):
            return False
        previous = await self._vault.open_text(session_id, session.summary) if session.summary else ""
        prompt = build_summary_messages(await self._vault.unseal_messages(older), previous)
        answer = await self._model.generate_response(prompt, temperature=0.0, max_tokens=SUMMARY_TOKENS)
        used = Usage(0, answer.usage.prompt_tokens, answer.usage.completion_tokens)
        self._budget.spend(owner_id, today, used)
        await self._store.add_usage(owner_id, today, used)
        text = shorten(clean_text(answer.text), MAX_SUMMARY)
        if is_blank(text):
            return False
        sealed = await self._vault.seal_message(session_id, text)
        return await self._store.keep_summary(owner_id, session_id, sealed, older, after_seq=session.summary_until_seq)

    async def _older(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Those before the newest ones that stay as they were said."""
        history = await self._vault.unseal_messages(messages)
        most = int(SHARE_KEPT * self._policy.history_messages)
        tokens = int(SHARE_KEPT * self._policy.history_tokens)
        kept, _ = trim_history(history[-most:], tokens, self._model.count_tokens)
        opening = next((place for place, item in enumerate(kept) if item.role == Role.USER), len(kept))
        return list(messages[: len(messages) - len(kept) + opening])

    async def _guarded(self, owner_id: UserId, session_id: SessionId) -> None:
        self._not_before.pop(session_id, None)
        try:
            await self.summarize(owner_id, session_id)
        except MemoryChatError as error:
            self._not_before[session_id] = self._clock.now() + self._policy.summary_retry
            log.warning("summary failed and is tried again: %s at %s", type(error).__name__, where(error))
