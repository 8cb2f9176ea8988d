"""Daily budgets of messages and tokens, per person and for the whole instance. 0 means no limit."""

from __future__ import annotations

from datetime import datetime, timedelta

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


def _above(used: int, limit: int) -> bool:
    return bool(limit) and used >= limit
