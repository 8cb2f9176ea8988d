from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import inbox, notices, outbox
from core.errors import NotFound
from core.messages import OutboxRow
from core.types import OutboxId, OutboxState, TurnId, TurnState


class SqlReplies(Group):
    @writes
    def open_outbox(self, connection: Connection, row: OutboxRow) -> OutboxRow:
        if connection.execute(select(1).where(inbox.c.id == row.turn_id)).first() is None:
            raise NotFound
        fresh = insert(outbox).values(rows.reply_values(row)).on_conflict_do_nothing(index_elements=["turn_id"])
        connection.execute(fresh)
        return rows.reply_of(connection.execute(select(outbox).where(outbox.c.turn_id == row.turn_id)).one())

    @reads
    def get_outbox(self, connection: Connection, turn_id: TurnId) -> OutboxRow | None:
        row = connection.execute(select(outbox).where(outbox.c.turn_id == turn_id)).first()
        return rows.reply_of(row) if row else None

    @writes
    def mark_outbox(
        self,
        connection: Connection,
        outbox_id: OutboxId,
        state: OutboxState,
        *,
        message_ids: tuple[str, ...] | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        values: rows.Values = {
            "state": state,
            "next_attempt_at": next_attempt_at,
            "attempts": outbox.c.attempts + int(state is OutboxState.SENDING),
            "updated_at": self._clock.now(),
        }
        if message_ids is not None:
            values["message_ids"] = list(message_ids)
        if state is OutboxState.SENT:
            values |= rows.sealed_values("content", None)
        written = connection.execute(update(outbox).where(outbox.c.id == outbox_id).values(values))
        if not written.rowcount:
            raise NotFound

    @reads
    def unsent_outbox(self, connection: Connection, now: datetime) -> list[OutboxRow]:
        unsent = outbox.c.state.in_([OutboxState.READY, OutboxState.SENDING])
        due = or_(outbox.c.next_attempt_at.is_(None), outbox.c.next_attempt_at <= now)
        found = connection.execute(
            select(outbox, inbox.c.state.label("turn_state"))
            .join(inbox, inbox.c.id == outbox.c.turn_id)
            .where(unsent, due)
            .order_by(outbox.c.created_at, inbox.c.ordinal)
        )
        replies = [(TurnState(row.turn_state), rows.reply_of(row)) for row in found]
        return [reply for state, reply in replies if rules.is_deliverable(state, reply, now)]

    @writes
    def record_notice(self, connection: Connection, key: str, at: datetime, not_after: datetime) -> bool:
        statement = insert(notices).values(key=key, at=at)
        written = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"at": statement.excluded.at}, where=(notices.c.at <= not_after)
            )
        )
        return bool(written.rowcount)
