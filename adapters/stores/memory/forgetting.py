from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.sealing import Sealed
from core.types import ChatMessage, MemoryId, MemoryRecord, ProfileId, Role, TurnId, UserId


class MemoryForgetting(Group):
    async def forget_turns(
        self, user_id: UserId, turns: Sequence[TurnId], memories: Sequence[MemoryId | TurnId] = ()
    ) -> Mapping[str, int]:
        tables, wanted, used = self._tables, set(turns), set(memories)
        theirs = {
            row.turn_id
            for row in tables.messages.values()
            if row.turn_id in wanted and user_id in {row.author_id, tables.sessions[row.session_id].user_id}
        }
        replies = [row for row in tables.messages.values() if row.role is Role.ASSISTANT]
        first = rules.quoting_from(((row.session_id, row.seq, row.metadata) for row in replies), used)
        quoting = {row.id for row in replies if row.seq >= first.get(row.session_id, row.seq + 1)}
        gone = [row for row in tables.messages.values() if row.turn_id in theirs or row.id in quoting]
        ended = {
            row.id
            for row in tables.inbox.values()
            if wanted & {row.id, row.merged_into}
            and user_id in {row.stamp.author_id, row.stamp.owner_id}
            and row.state not in rules.OPEN_STATES
        }
        tables.drop_turns(ended)
        return {"messages": tables.drop_messages({row.id for row in gone}), "turns": len(ended)}

    async def change_message(
        self, user_id: UserId, turn_id: TurnId, content: Sealed, *, rows: Mapping[TurnId, Sealed] | None = None
    ) -> bool:
        tables = self._tables
        for row_id, changed in (rows or {}).items():
            if row_id in tables.inbox and tables.inbox[row_id].stamp.author_id == user_id:
                tables.inbox[row_id] = replace(tables.inbox[row_id], content=changed)
        said = [r for r in tables.messages.values() if r.turn_id == turn_id and r.author_id == user_id]
        said = [row for row in said if row.role is Role.USER]
        self._removed_from(said)
        for row in said:
            tables.messages[row.id] = replace(row, content=content, learned=False)
            session = tables.sessions[row.session_id]
            tables.sessions[session.id] = replace(session, summary=None, summary_until_seq=0)
        return bool(said)

    async def expire(self, now: datetime, messages: timedelta | None, memories: timedelta | None) -> Mapping[str, int]:
        old = [row for row in self._tables.messages.values() if self._is_old(self._profile(row), row, now, messages)]
        turns = {row.turn_id for row in old}
        ended = {
            row.id
            for row in self._tables.inbox.values()
            if turns & {row.id, row.merged_into} and row.state not in rules.OPEN_STATES
        }
        self._tables.drop_turns(ended)
        gone = [
            row for row in self._tables.memories.values() if self._is_old(row.namespace.profile_id, row, now, memories)
        ]
        for record in gone:
            del self._tables.memories[record.id]
            self._tables.move_on(record.namespace, removed=True)
        return {"messages": self._tables.drop_messages({row.id for row in old}), "memories": len(gone)}

    def _profile(self, message: ChatMessage) -> ProfileId | None:
        return self._tables.sessions[message.session_id].memory_profile_id

    def _is_old(
        self, profile_id: ProfileId | None, row: ChatMessage | MemoryRecord, now: datetime, life: timedelta | None
    ) -> bool:
        profile = self._tables.profiles.get(profile_id) if profile_id else None
        if profile and profile.retention_days is not None:
            life = timedelta(days=profile.retention_days)
        return life is not None and row.created_at < now - life

    def _removed_from(self, messages: Sequence[ChatMessage]) -> None:
        for namespace in {row.namespace for row in messages if row.namespace}:
            self._tables.move_on(namespace, removed=True)
