"""Daily budgets of messages and tokens, per person and for the whole instance. 0 means no limit."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

from core.errors import LimitReached
from core.policy import EnginePolicy
from core.ports import Store
from core.types import Usage, UserId


class Quotas:
    def __init__(self, store: Store, policy: EnginePolicy) -> None:
        self._store = store
        self._policy = policy

    async def check(self, user_id: UserId, now: datetime) -> None:
        """Raises LimitReached with the seconds until the next day (UTC) begins."""
        policy = self._policy
        if policy.daily_messages or policy.daily_tokens:
            used = await self._store.get_usage(user_id, now.date())
            self._refuse_above(used, policy.daily_messages, policy.daily_tokens, now, "You have")
        if policy.instance_daily_messages or policy.instance_daily_tokens:
            used = await self._store.get_usage(None, now.date())
            self._refuse_above(used, policy.instance_daily_messages, policy.instance_daily_tokens, now, "This bot has")

    def _refuse_above(self, used: Usage, messages: int, tokens: int, now: datetime, who: str) -> None:
        if not (_above(used.messages, messages) or _above(used.prompt_tokens + used.completion_tokens, tokens)):
            return
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise LimitReached(
            retry_after=(midnight - now).total_seconds(),
            user_message=f"{who} used up today's budget. It starts anew at 00:00 UTC.",
        )


class LearningBudget:
    """Tokens that learning from a person, and summing up their talks, may cost a day (UTC); the policy's 0: no limit.

    Apart from what their replies cost. Counted in this process alone, so that a restart begins anew: it is there to
    bound a bill, not to be exact.
    """

    def __init__(self, policy: EnginePolicy) -> None:
        self._limit = policy.learn_tokens_per_day
        self._day: date | None = None
        self._spent: Counter[UserId] = Counter()

    def allows(self, user_id: UserId, today: date) -> bool:
        self._turn_to(today)
        return not _above(self._spent[user_id], self._limit)

    def spend(self, user_id: UserId, today: date, used: Usage) -> None:
        self._turn_to(today)
        self._spent[user_id] += used.prompt_tokens + used.completion_tokens

    def _turn_to(self, today: date) -> None:
        if today != self._day:
            self._day = today
            self._spent.clear()


def _above(used: int, limit: int) -> bool:
    return bool(limit) and used >= limit
