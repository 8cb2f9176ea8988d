from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.stores import rules
from adapters.stores.memory.conversations import MemoryConversations
from adapters.stores.memory.memories import MemoryMemories
from adapters.stores.memory.sessions import MemorySessions
from core.batches import AcceptBatch, QueueState, RecordBatch
from core.errors import Conflict, NotFound, StaleMember, TurnRunning
from core.messages import InboxRow, OutboxRow
from core.sealing import Sealed
from core.types import ConversationId, Lane, MemoryRecord, TurnId, TurnState, UserId


class MemoryTurns(MemoryConversations, MemorySessions, MemoryMemories):
    async def has_event(self, event_key: str) -> bool:
        return event_key in self._tables.event_keys

    async def accept(self, batch: AcceptBatch) -> InboxRow | None:
        if batch.row.event_key in self._tables.event_keys:
            return None
        self._check_accept(batch)
        tables = self._tables
        if batch.member:
            self._write_member(batch.member)
        for session in [tables.sessions[key] for key in batch.close_sessions if key in tables.sessions]:
            tables.sessions[session.id] = replace(session, closed_at=session.closed_at or batch.row.accepted_at)
        if batch.open_session:
            tables.sessions[batch.open_session.id] = batch.open_session
        self._move_conversation_on(batch)
        for row, reply in batch.before:
            if row.event_key not in tables.event_keys:
                self._enqueue(row, reply)
        return self._enqueue(batch.row, batch.outbox)

    def _enqueue(self, row: InboxRow, reply: OutboxRow | None) -> InboxRow:
        tables, conversation_id = self._tables, row.stamp.conversation_id
        seq = tables.turn_seq.get(conversation_id, 0) + 1
        tables.turn_seq[conversation_id] = seq
        tables.event_keys[row.event_key] = row.accepted_at
        tables.inbox[row.id] = stored = replace(row, seq=seq)
        if reply:
            tables.outbox[reply.id] = reply
        return stored

    def _check_accept(self, batch: AcceptBatch) -> None:
        self._tables.conversation(batch.row.stamp.conversation_id)
        if batch.member:
            self._check_member(batch.member)
        if batch.open_session:
            self._check_new_session(batch.open_session)
        known = {batch.open_session.id} if batch.open_session else set()
        if batch.row.stamp.session_id not in known | self._tables.sessions.keys():
            raise NotFound
        if batch.row.id in self._tables.inbox:
            raise Conflict

    def _move_conversation_on(self, batch: AcceptBatch) -> None:
        conversation = self._tables.conversation(batch.row.stamp.conversation_id)
        tables = self._tables
        tables.conversations[conversation.id] = replace(conversation, cursor=batch.cursor or conversation.cursor)
        if batch.mode_floor:
            room = tables.conversation(conversation.parent_id or conversation.id)
            tables.conversations[room.id] = replace(room, mode_floor=batch.mode_floor)

    async def claim_turn(
        self, conversation_id: ConversationId, lane: Lane, owner: str, lease_until: datetime, now: datetime
    ) -> tuple[InboxRow, ...]:
        rows = rules.next_turn(self._tables.lane(conversation_id, lane), owner, now)
        return self._write_rows(rules.as_claimed(rows, owner, lease_until))

    def _write_rows(self, rows: Sequence[InboxRow]) -> tuple[InboxRow, ...]:
        self._tables.inbox.update({row.id: row for row in rows})
        return tuple(rows)

    def _held(self, turn_id: TurnId, owner: str) -> list[InboxRow]:
        """The rows of a running turn of this owner, `[]` when it is not theirs (any more)."""
        rows = self._tables.rows_of_turn(turn_id)
        held = bool(rows) and rows[0].state is TurnState.RUNNING and rows[0].lease_owner == owner
        return rows if held else []

    async def renew_lease(self, turn_id: TurnId, owner: str, lease_until: datetime) -> bool:
        rows = self._held(turn_id, owner)
        return bool(self._write_rows([replace(row, lease_until=lease_until) for row in rows]))

    async def release_turn(self, turn_id: TurnId, owner: str) -> None:
        self._write_rows([rules.as_accepted(row) for row in self._held(turn_id, owner)])

    async def pending_lanes(self, now: datetime) -> list[tuple[ConversationId, Lane]]:
        lanes: dict[tuple[ConversationId, Lane], list[InboxRow]] = {}
        for row in sorted(self._tables.inbox.values(), key=lambda row: row.accepted_at):
            if row.state in rules.OPEN_STATES:
                lanes.setdefault((row.stamp.conversation_id, row.lane), []).append(row)
        return [lane for lane, rows in lanes.items() if not rules.is_held(rows, now)]

    async def queue_state(self) -> QueueState:
        heads = [row for row in self._tables.inbox.values() if row.merged_into is None]
        waiting = [row.accepted_at for row in heads if row.state is TurnState.ACCEPTED]
        count = Counter(row.state for row in heads)
        return QueueState(len(waiting), count[TurnState.RUNNING], count[TurnState.FAILED], min(waiting, default=None))

    async def get_turn(self, user_id: UserId, turn_id: TurnId) -> InboxRow:
        return self._tables.turn(user_id, turn_id)

    async def find_turn_by_event(self, event_key: str) -> InboxRow | None:
        rows = [row for row in self._tables.inbox.values() if row.event_key == event_key]
        return rows[-1] if rows else None

    async def running_turn(self, conversation_id: ConversationId, lane: Lane) -> TurnId | None:
        rows = self._tables.lane(conversation_id, lane)
        return next((row.id for row in rows if row.state is TurnState.RUNNING and row.merged_into is None), None)

    async def is_busy(self, conversation_id: ConversationId) -> bool:
        return any(row.state in rules.OPEN_STATES for row in self._tables.lane(conversation_id, Lane.MAIN))

    async def last_turn(
        self, conversation_id: ConversationId, user_id: UserId, *, states: Sequence[TurnState]
    ) -> InboxRow | None:
        rows = [
            row
            for row in self._tables.lane(conversation_id, Lane.MAIN)
            if not row.is_command and row.merged_into is None and row.state in states and row.stamp.author_id == user_id
        ]
        return rows[-1] if rows else None

    async def newest_turn(self, conversation_id: ConversationId) -> InboxRow | None:
        rows = self._tables.lane(conversation_id, Lane.MAIN)
        return rows[-1] if rows else None

    async def failed_turns(self, limit: int) -> list[InboxRow]:
        failed = [
            row for row in self._tables.inbox.values() if row.state is TurnState.FAILED and row.merged_into is None
        ]
        return failed[::-1][:limit]

    async def reopen_turn(self, user_id: UserId, turn_id: TurnId) -> None:
        head = rules.head_of(self._tables.turn(user_id, turn_id))
        rows = self._tables.rows_of_turn(head)
        if any(row.state in rules.OPEN_STATES for row in rows):
            raise TurnRunning
        self._write_rows([rules.as_reopened(row) for row in rows])
        turns = {row.id for row in rows}
        self._tables.drop_messages({row.id for row in self._tables.messages.values() if row.turn_id in turns})
        self._tables.drop_replies(turns)

    async def replace_turn_content(self, event_key: str, content: Sealed) -> bool:
        row = await self.find_turn_by_event(event_key)
        if row is None or row.state is not TurnState.ACCEPTED:
            return False
        return bool(self._write_rows([replace(row, content=content)]))

    async def cancel_accepted(self, event_key: str) -> bool:
        row = await self.find_turn_by_event(event_key)
        if row is None or row.state is not TurnState.ACCEPTED:
            return False
        return bool(self._write_rows([replace(row, state=TurnState.CANCELLED)]))

    async def end_turn(self, turn_id: TurnId, owner: str, state: TurnState, note: str = "") -> None:
        rows = self._held(turn_id, owner)
        if not rows:
            raise StaleMember
        self._end(rows, state, note)

    def _end(self, rows: Sequence[InboxRow], state: TurnState, note: str) -> None:
        self._write_rows([replace(row, state=state, note=note, lease_owner="", lease_until=None) for row in rows])

    async def record_turn(self, batch: RecordBatch) -> None:
        rows = self._held(batch.turn_id, batch.lease_owner)
        if not rows:
            raise StaleMember
        self._check_recorded(batch)
        self._end(rows, batch.state, batch.note)
        for message in batch.messages:
            self._tables.append_message(message)
        session = self._tables.sessions[batch.session_id]
        count = session.message_count + len(batch.messages) + batch.count_messages
        self._tables.sessions[session.id] = replace(session, message_count=count, updated_at=batch.at)
        for record in self._still_wanted(batch):
            self._write_record(record, self._tables.move_on(record.namespace))
        if batch.outbox:
            self._tables.outbox[batch.outbox.id] = batch.outbox
        if batch.usage_of:
            self._add_usage(batch.usage_of, rules.utc(batch.at).date(), batch.usage)

    def _check_recorded(self, batch: RecordBatch) -> None:
        if batch.session_id not in self._tables.sessions:
            raise NotFound
        if batch.usage_of:
            self._tables.user(batch.usage_of)
        if any(message.id in self._tables.messages for message in batch.messages):
            raise Conflict

    def _still_wanted(self, batch: RecordBatch) -> list[MemoryRecord]:
        """Memories whose profile is there and was not erased since the turn read it."""
        expected = dict(batch.erase_generations)
        return [
            record
            for record in batch.memories
            if self._tables.owns(record.namespace)
            and expected.get(record.namespace, now := self._tables.state(record.namespace).erase_generation) == now
        ]
