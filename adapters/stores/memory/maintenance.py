from __future__ import annotations

from datetime import datetime

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.errors import AnotherRunner
from core.ports.access import CODE_LIFE, AccessState
from core.types import ConversationId, ErasureReceipt, Metadata, UserId


class MemoryMaintenance(Group):
    _runner: str | None = None

    async def put_pending(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        token: str,
        payload: Metadata,
        expires_at: datetime,
    ) -> None:
        self._tables.user(user_id)
        self._tables.pending[user_id, conversation_id, token] = (rules.plain(payload), expires_at)

    async def take_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        payload = await self.peek_pending(user_id, conversation_id, token, now)
        self._tables.pending.pop((user_id, conversation_id, token), None)
        return payload

    async def peek_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        payload, expires_at = self._tables.pending.get((user_id, conversation_id, token), (None, now))
        return payload if expires_at > now else None

    async def save_receipt(self, receipt: ErasureReceipt) -> None:
        self._tables.receipts[receipt.id] = receipt

    async def get_receipt(self, receipt_id: str) -> ErasureReceipt | None:
        return self._tables.receipts.get(receipt_id)

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        await self.release_runner_lock()

    async def take_runner_lock(self, owner: str) -> None:
        if self._runner not in (None, owner):
            raise AnotherRunner
        self._runner = owner

    async def release_runner_lock(self) -> None:
        self._runner = None

    async def claim_job_run(self, job: str, tick: datetime) -> bool:
        if (job, tick) in self._tables.job_runs:
            return False
        self._tables.job_runs.add((job, tick))
        return True

    async def purge(self, now: datetime) -> int:
        tables = self._tables
        waiting = {row.event_key for row in tables.inbox.values() if row.state in rules.OPEN_STATES}
        keys = [k for k, at in tables.event_keys.items() if at < now - rules.EVENT_KEY_LIFE and k not in waiting]
        pending = [key for key, (_, expires_at) in tables.pending.items() if expires_at <= now]
        notices = [key for key, at in tables.notices.items() if at < now - rules.NOTICE_LIFE]
        codes = [key for key, (_, expires_at) in tables.link_codes.items() if expires_at <= now]
        tries = [key for key, (_, at) in tables.link_failures.items() if at < now - rules.LINK_FAILURE_LIFE]
        runs = {run for run in tables.job_runs if run[1] < now - rules.JOB_RUN_LIFE}
        for key in keys:
            del tables.event_keys[key]
        for token in pending:
            del tables.pending[token]
        for notice in notices:
            del tables.notices[notice]
        for code_hash in codes:
            del tables.link_codes[code_hash]
        for identity_id in tries:
            del tables.link_failures[identity_id]
        tables.job_runs -= runs
        over = [key for key, at in tables.revoked_tokens.items() if at <= now]
        for token_id in over:
            del tables.revoked_tokens[token_id]
        old = now - CODE_LIFE
        asked = [k for k, g in tables.access_grants.items() if g.state is AccessState.WAITING and g.changed_at < old]
        for grant in asked:
            del tables.access_grants[grant]
        ended = [key for key, row in tables.sign_ins.items() if row.expires_at <= now]
        for sign_in_id in ended:
            del tables.sign_ins[sign_in_id]
        gone = (keys, pending, notices, runs, codes, tries, over, ended, asked)
        return sum(len(rows) for rows in gone)

    async def compact(self) -> None:
        """Nothing is on a disk."""

    async def has_sealed_rows(self) -> bool:
        tables = self._tables
        contents = [
            *(row.content for row in tables.messages.values()),
            *(row.text for row in tables.memories.values()),
            *(row.content for row in tables.inbox.values()),
            *(row.content for row in tables.outbox.values()),
            *(row.summary for row in tables.sessions.values()),
        ]
        return any(content is not None and content.key_id is not None for content in contents)
