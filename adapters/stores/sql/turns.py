from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, or_, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.conversations import write_member
from adapters.stores.sql.engine import Group, hurried, insert, reads, writes
from adapters.stores.sql.memories import move_on, namespace_state, write_memories
from adapters.stores.sql.profiles import owns
from adapters.stores.sql.schema import chat_messages, chat_sessions, conversations, event_keys, inbox, outbox
from adapters.stores.sql.sessions import add_session, append_messages, drop_messages
from adapters.stores.sql.users import count_usage
from core.batches import AcceptBatch, QueueState, RecordBatch
from core.errors import NotFound, StaleMember, TurnRunning
from core.messages import InboxRow, OutboxRow
from core.sealing import Sealed
from core.types import ConversationId, Lane, MemoryRecord, PrivacyMode, TurnId, TurnState, UserId

_TAKE_KEY = insert(event_keys).on_conflict_do_nothing()
_NEXT_SEQ = (
    update(conversations)
    .where(conversations.c.id == bindparam("conversation_id"))
    .values(last_seq=conversations.c.last_seq + 1)
    .returning(conversations.c.last_seq)
)
_ADD_TURN = inbox.insert()
_ADD_REPLY = outbox.insert()
_IS_OPEN = inbox.c.state.in_(sorted(rules.OPEN_STATES))
_COUNTED = (TurnState.ACCEPTED, TurnState.RUNNING, TurnState.FAILED)
# One claim at a time per conversation; SQLite leaves the lock out, its transactions are exclusive anyway.
_WAITING = (
    select(inbox)
    .join(conversations, conversations.c.id == inbox.c.conversation_id)
    .where(conversations.c.id == bindparam("conversation_id"), inbox.c.lane == bindparam("lane"), _IS_OPEN)
    .order_by(inbox.c.seq)
    .with_for_update(of=conversations)
)
_REWRITE = update(inbox).where(inbox.c.id == bindparam("row_id"))
_END = update(inbox).where(
    or_(inbox.c.id == bindparam("turn_id"), inbox.c.merged_into == bindparam("turn_id")),
    inbox.c.lease_owner == bindparam("owner"),
    inbox.c.state == TurnState.RUNNING,
)
_NEW_REPLY = insert(outbox)
_PUT_REPLY = _NEW_REPLY.on_conflict_do_update(
    index_elements=["turn_id"], set_={name: _NEW_REPLY.excluded[name] for name in rows.REPLY_CHANGES}
)


class SqlTurns(Group):
    @reads
    def has_event(self, connection: Connection, event_key: str) -> bool:
        known = select(1).where(event_keys.c.event_key == event_key)
        return connection.execute(known).first() is not None

    @writes
    def accept(self, connection: Connection, batch: AcceptBatch) -> InboxRow | None:
        if not _is_new(connection, batch.row):
            return None
        if batch.member:
            write_member(connection, batch.member)
        if batch.close_sessions:
            closed = func.coalesce(chat_sessions.c.closed_at, batch.row.accepted_at)
            which = chat_sessions.c.id.in_(batch.close_sessions)
            connection.execute(update(chat_sessions).where(which).values(closed_at=closed))
        if batch.open_session:
            add_session(connection, batch.open_session)
        ahead = [item for item in batch.before if _is_new(connection, item[0])]
        for row, reply in ahead:
            _enqueue(connection, row, reply, {})
        if batch.mode_floor:
            _set_floor(connection, batch.row.stamp.conversation_id, batch.mode_floor)
        stored = _enqueue(connection, batch.row, batch.outbox, {"cursor": batch.cursor} if batch.cursor else {})
        self._accepted(connection, stored)
        return stored

    def _accepted(self, connection: Connection, row: InboxRow) -> None:
        """A place for what has to be written with the row, in its transaction."""

    @hurried
    def claim_turn(
        self,
        connection: Connection,
        conversation_id: ConversationId,
        lane: Lane,
        owner: str,
        lease_until: datetime,
        now: datetime,
    ) -> tuple[InboxRow, ...]:
        waiting = connection.execute(_WAITING, {"conversation_id": conversation_id, "lane": lane})
        found = [rows.turn_of(row) for row in waiting]
        claimed = rules.as_claimed(rules.next_turn(found, owner, now), owner, lease_until)
        _rewrite(connection, claimed)
        return claimed

    @hurried
    def renew_lease(self, connection: Connection, turn_id: TurnId, owner: str, lease_until: datetime) -> bool:
        held = (_of_turn(turn_id), inbox.c.lease_owner == owner, inbox.c.state == TurnState.RUNNING)
        return bool(connection.execute(update(inbox).where(*held).values(lease_until=lease_until)).rowcount)

    @hurried
    def release_turn(self, connection: Connection, turn_id: TurnId, owner: str) -> None:
        _rewrite(connection, [rules.as_accepted(row) for row in _held(connection, turn_id, owner)])

    @reads
    def pending_lanes(self, connection: Connection, now: datetime) -> list[tuple[ConversationId, Lane]]:
        held = select(inbox.c.conversation_id, inbox.c.lane).where(
            inbox.c.state == TurnState.RUNNING, inbox.c.lease_until > now
        )
        blocked = {(row.conversation_id, row.lane) for row in connection.execute(held)}
        lanes = (
            select(inbox.c.conversation_id, inbox.c.lane)
            .where(_IS_OPEN)
            .group_by(inbox.c.conversation_id, inbox.c.lane)
            .order_by(func.min(inbox.c.accepted_at), func.min(inbox.c.ordinal))
        )
        found = [(row.conversation_id, row.lane) for row in connection.execute(lanes)]
        return [
            (conversation_id, Lane(lane)) for conversation_id, lane in found if (conversation_id, lane) not in blocked
        ]

    @reads
    def running_turn(self, connection: Connection, conversation_id: ConversationId, lane: Lane) -> TurnId | None:
        head = (inbox.c.state == TurnState.RUNNING, inbox.c.merged_into.is_(None), inbox.c.lane == lane)
        turn_id: TurnId | None = connection.execute(
            select(inbox.c.id).where(inbox.c.conversation_id == conversation_id, *head)
        ).scalar()
        return turn_id

    @reads
    def is_busy(self, connection: Connection, conversation_id: ConversationId) -> bool:
        waiting = (inbox.c.conversation_id == conversation_id, inbox.c.lane == Lane.MAIN, _IS_OPEN)
        return connection.execute(select(1).where(*waiting).limit(1)).first() is not None

    @reads
    def queue_state(self, connection: Connection) -> QueueState:
        heads = (
            select(inbox.c.state, func.count().label("rows"), func.min(inbox.c.accepted_at).label("oldest"))
            .where(inbox.c.state.in_(_COUNTED), inbox.c.merged_into.is_(None))
            .group_by(inbox.c.state)
        )
        found = {row.state: row for row in connection.execute(heads)}
        waiting, running, failed = (found.get(state) for state in _COUNTED)
        return QueueState(
            waiting.rows if waiting else 0,
            running.rows if running else 0,
            failed.rows if failed else 0,
            waiting.oldest if waiting else None,
        )

    @reads
    def get_turn(self, connection: Connection, user_id: UserId, turn_id: TurnId) -> InboxRow:
        return _find(connection, user_id, turn_id)

    @reads
    def find_turn_by_event(self, connection: Connection, event_key: str) -> InboxRow | None:
        return _of_event(connection, event_key)

    @reads
    def last_turn(
        self,
        connection: Connection,
        conversation_id: ConversationId,
        user_id: UserId,
        *,
        states: Sequence[TurnState],
    ) -> InboxRow | None:
        talk = (
            inbox.c.conversation_id == conversation_id,
            inbox.c.lane == Lane.MAIN,
            inbox.c.is_command.is_(False),
            inbox.c.merged_into.is_(None),
            inbox.c.author_id == user_id,
            inbox.c.state.in_(states),
        )
        row = connection.execute(select(inbox).where(*talk).order_by(inbox.c.seq.desc()).limit(1)).first()
        return rows.turn_of(row) if row else None

    @reads
    def newest_turn(self, connection: Connection, conversation_id: ConversationId) -> InboxRow | None:
        lane = (inbox.c.conversation_id == conversation_id, inbox.c.lane == Lane.MAIN)
        row = connection.execute(select(inbox).where(*lane).order_by(inbox.c.seq.desc()).limit(1)).first()
        return rows.turn_of(row) if row else None

    @reads
    def failed_turns(self, connection: Connection, limit: int) -> list[InboxRow]:
        failed = (inbox.c.state == TurnState.FAILED, inbox.c.merged_into.is_(None))
        newest = select(inbox).where(*failed).order_by(inbox.c.ordinal.desc()).limit(limit)
        return [rows.turn_of(row) for row in connection.execute(newest)]

    @writes
    def reopen_turn(self, connection: Connection, user_id: UserId, turn_id: TurnId) -> None:
        turn = _rows_of(connection, rules.head_of(_find(connection, user_id, turn_id)))
        if any(row.state in rules.OPEN_STATES for row in turn):
            raise TurnRunning
        ids = [row.id for row in turn]
        drop_messages(connection, chat_messages.c.turn_id.in_(ids))
        connection.execute(delete(outbox).where(outbox.c.turn_id.in_(ids)))
        _rewrite(connection, [rules.as_reopened(row) for row in turn])

    @writes
    def replace_turn_content(self, connection: Connection, event_key: str, content: Sealed) -> bool:
        return _change_accepted(connection, event_key, rows.sealed_values("content", content))

    @writes
    def cancel_accepted(self, connection: Connection, event_key: str) -> bool:
        return _change_accepted(connection, event_key, {"state": TurnState.CANCELLED})

    @writes
    def end_turn(self, connection: Connection, turn_id: TurnId, owner: str, state: TurnState, note: str = "") -> None:
        _end(connection, turn_id, owner, state, note)

    @writes
    def record_turn(self, connection: Connection, batch: RecordBatch) -> None:
        _end(connection, batch.turn_id, batch.lease_owner, batch.state, batch.note)
        append_messages(connection, batch.session_id, batch.messages, batch.at, batch.count_messages)
        for record in _still_wanted(connection, batch):
            write_memories(connection, [record], move_on(connection, record.namespace))
        if batch.outbox:
            connection.execute(_PUT_REPLY, rows.reply_values(batch.outbox))
        if batch.usage_of:
            count_usage(connection, batch.usage_of, rules.utc(batch.at).date(), batch.usage)


def _is_new(connection: Connection, row: InboxRow) -> bool:
    """Take the event key; False when it is known already."""
    return bool(connection.execute(_TAKE_KEY, {"event_key": row.event_key, "at": row.accepted_at}).rowcount)


def _enqueue(connection: Connection, row: InboxRow, reply: OutboxRow | None, moves: rows.Values) -> InboxRow:
    """Insert at the end of the conversation, whose other columns `moves` changes. Raises NotFound."""
    moved = connection.execute(_NEXT_SEQ, {"conversation_id": row.stamp.conversation_id, **moves}).first()
    if moved is None:
        raise NotFound
    stored = replace(row, seq=moved.last_seq)
    connection.execute(_ADD_TURN, rows.turn_values(stored))
    if reply:
        connection.execute(_ADD_REPLY, rows.reply_values(reply))
    return stored


def _set_floor(connection: Connection, conversation_id: ConversationId, floor: PrivacyMode) -> None:
    """Of a thread on the place that it hangs under."""
    where = conversations.c.id == conversation_id
    parent = connection.execute(select(conversations.c.parent_id).where(where)).scalar()
    room = conversations.c.id == (parent or conversation_id)
    connection.execute(update(conversations).where(room).values(mode_floor=floor))


def _of_turn(turn_id: TurnId) -> ColumnElement[bool]:
    return or_(inbox.c.id == turn_id, inbox.c.merged_into == turn_id)


def _rows_of(connection: Connection, turn_id: TurnId) -> list[InboxRow]:
    """Head first, then what was merged into it."""
    found = connection.execute(select(inbox).where(_of_turn(turn_id)).order_by(inbox.c.seq))
    return sorted(map(rows.turn_of, found), key=lambda row: row.id != turn_id)


def _held(connection: Connection, turn_id: TurnId, owner: str) -> list[InboxRow]:
    """The rows of a running turn of this owner, `[]` when it is not theirs (any more)."""
    turn = _rows_of(connection, turn_id)
    held = bool(turn) and turn[0].state is TurnState.RUNNING and turn[0].lease_owner == owner
    return turn if held else []


def _end(connection: Connection, turn_id: TurnId, owner: str, state: TurnState, note: str) -> None:
    """All rows of the turn. Raises StaleMember when another owner has it."""
    ended = {"state": state, "note": note, "lease_owner": "", "lease_until": None}
    if not connection.execute(_END, {"turn_id": turn_id, "owner": owner, **ended}).rowcount:
        raise StaleMember


def _rewrite(connection: Connection, turn: Sequence[InboxRow]) -> None:
    """Write what changes in the life of a row; its stamp and content stay as they are."""
    for row in turn:
        values = {
            "row_id": row.id,
            "state": row.state,
            "merged_into": row.merged_into,
            "lease_owner": row.lease_owner,
            "lease_until": row.lease_until,
            "attempts": row.attempts,
            "note": row.note,
        }
        connection.execute(_REWRITE, values)


def _find(connection: Connection, user_id: UserId, turn_id: TurnId) -> InboxRow:
    theirs = or_(inbox.c.author_id == user_id, inbox.c.owner_id == user_id)
    row = connection.execute(select(inbox).where(inbox.c.id == turn_id, theirs)).first()
    if row is None:
        raise NotFound
    return rows.turn_of(row)


def _of_event(connection: Connection, event_key: str) -> InboxRow | None:
    newest = select(inbox).where(inbox.c.event_key == event_key).order_by(inbox.c.ordinal.desc()).limit(1)
    row = connection.execute(newest).first()
    return rows.turn_of(row) if row else None


def _change_accepted(connection: Connection, event_key: str, values: rows.Values) -> bool:
    waiting = (inbox.c.event_key == event_key, inbox.c.state == TurnState.ACCEPTED)
    return bool(connection.execute(update(inbox).where(*waiting).values(values)).rowcount)


def _still_wanted(connection: Connection, batch: RecordBatch) -> list[MemoryRecord]:
    """Memories whose profile is there and was not erased since the turn read it."""
    expected = dict(batch.erase_generations)
    wanted = []
    for record in batch.memories:
        now = namespace_state(connection, record.namespace).erase_generation
        if owns(connection, record.namespace) and expected.get(record.namespace, now) == now:
            wanted.append(record)
    return wanted
