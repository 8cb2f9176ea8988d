from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.errors import NotFound
from core.messages import OutboxRow
from core.types import OutboxId, OutboxState, TurnId


class MemoryReplies(Group):
    async def open_outbox(self, row: OutboxRow) -> OutboxRow:
        if row.turn_id not in self._tables.inbox:
            raise NotFound
        known = await self.get_outbox(row.turn_id)
        if known is None:
            self._tables.outbox[row.id] = row
        return known or row

    async def get_outbox(self, turn_id: TurnId) -> OutboxRow | None:
        return next((row for row in self._tables.outbox.values() if row.turn_id == turn_id), None)

    async def mark_outbox(
        self,
        outbox_id: OutboxId,
        state: OutboxState,
        *,
        message_ids: tuple[str, ...] | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        row = self._tables.outbox.get(outbox_id)
        if row is None:
            raise NotFound
        self._tables.outbox[outbox_id] = replace(
            row,
            state=state,
            content=None if state is OutboxState.SENT else row.content,
            message_ids=row.message_ids if message_ids is None else message_ids,
            next_attempt_at=next_attempt_at or row.next_attempt_at,
            attempts=row.attempts + (state is OutboxState.SENDING and next_attempt_at is None),
            updated_at=self._clock.now(),
        )

    async def unsent_outbox(self, now: datetime, hold_until: datetime) -> list[OutboxRow]:
        rows = [row for row in self._tables.outbox.values() if self._is_due(row, now)]
        held = [replace(row, next_attempt_at=hold_until) for row in sorted(rows, key=lambda row: row.created_at)]
        self._tables.outbox.update({row.id: row for row in held})
        return held

    def _is_due(self, row: OutboxRow, now: datetime) -> bool:
        return rules.is_deliverable(self._tables.inbox[row.turn_id].state, row, now)

    async def record_notice(self, key: str, at: datetime, not_after: datetime) -> bool:
        last = self._tables.notices.get(key)
        if last is not None and last > not_after:
            return False
        self._tables.notices[key] = at
        return True
