from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, hurried, insert, reads, writes
from adapters.stores.sql.schema import inbox, notices, outbox
from core.errors import NotFound
from core.messages import OutboxRow
from core.types import OutboxId, OutboxState, TurnId

_OPEN = insert(outbox).on_conflict_do_nothing(index_elements=["turn_id"])
_HAS_TURN = select(1).where(inbox.c.id == bindparam("turn_id"))
_OF_TURN = select(outbox).where(outbox.c.turn_id == bindparam("turn_id"))
_MARK = (
    update(outbox).where(outbox.c.id == bindparam("outbox_id")).values(attempts=outbox.c.attempts + bindparam("tries"))
)


class SqlReplies(Group):
    @writes
    def open_outbox(self, connection: Connection, row: OutboxRow) -> OutboxRow:
        turn = {"turn_id": row.turn_id}
        if connection.execute(_HAS_TURN, turn).first() is None:
            raise NotFound
        if connection.execute(_OPEN, rows.reply_values(row)).rowcount:
            return row
        return rows.reply_of(connection.execute(_OF_TURN, turn).one())

    @reads
    def get_outbox(self, connection: Connection, turn_id: TurnId) -> OutboxRow | None:
        row = connection.execute(_OF_TURN, {"turn_id": turn_id}).first()
        return rows.reply_of(row) if row else None

    async def mark_outbox(
        self,
        outbox_id: OutboxId,
        state: OutboxState,
        *,
        message_ids: tuple[str, ...] | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        mark = self._mark_hurried if state is OutboxState.SENT else self._mark_durably
        await mark(outbox_id, state, message_ids, next_attempt_at)

    def _mark(
        self,
        connection: Connection,
        outbox_id: OutboxId,
        state: OutboxState,
        message_ids: tuple[str, ...] | None,
        next_attempt_at: datetime | None,
    ) -> None:
        values: rows.Values = {
            "outbox_id": outbox_id,
            "state": state,
            "tries": int(state is OutboxState.SENDING and next_attempt_at is None),
            "updated_at": self._clock.now(),
        }
        if message_ids is not None:
            values["message_ids"] = list(message_ids)
        if next_attempt_at is not None:
            values["next_attempt_at"] = next_attempt_at
        if state is OutboxState.SENT:
            values |= rows.sealed_values("content", None)
        if not connection.execute(_MARK, values).rowcount:
            raise NotFound

    _mark_durably = writes(_mark)
    _mark_hurried = hurried(_mark)

    @writes
    def unsent_outbox(self, connection: Connection, now: datetime, hold_until: datetime) -> list[OutboxRow]:
        unsent = outbox.c.state.in_(sorted(rules.UNSENT_STATES))
        due = or_(outbox.c.next_attempt_at.is_(None), outbox.c.next_attempt_at <= now)
        ended = inbox.c.state.not_in(sorted(rules.OPEN_STATES))
        found = connection.execute(
            select(outbox)
            .join(inbox, inbox.c.id == outbox.c.turn_id)
            .where(unsent, due, ended)
            .order_by(outbox.c.created_at, inbox.c.ordinal)
            .with_for_update(skip_locked=True)
        )
        held = [replace(rows.reply_of(row), next_attempt_at=hold_until) for row in found]
        ids = [reply.id for reply in held]
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(next_attempt_at=hold_until))
        return held

    @writes
    def record_notice(self, connection: Connection, key: str, at: datetime, not_after: datetime) -> bool:
        statement = insert(notices).values(key=key, at=at)
        written = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"at": statement.excluded.at}, where=(notices.c.at <= not_after)
            )
        )
        return bool(written.rowcount)
