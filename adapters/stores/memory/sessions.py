from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.stores import rules
from adapters.stores.memory.tables import Group
from core.batches import SessionPatch
from core.errors import Conflict
from core.sealing import Sealed
from core.types import (
    ChatMessage,
    ChatSession,
    ConversationId,
    MemoryNamespace,
    PrivacyMode,
    ProfileId,
    Role,
    SessionId,
    TurnId,
    UserId,
    new_id,
)


class MemorySessions(Group):
    async def create_chat_session(
        self,
        user_id: UserId,
        profile_id: ProfileId | None,
        privacy_mode: PrivacyMode,
        *,
        conversation_id: ConversationId | None = None,
        session_id: SessionId | None = None,
    ) -> ChatSession:
        now = self._clock.now()
        session = ChatSession(
            session_id or SessionId(new_id()), user_id, conversation_id, profile_id, privacy_mode, now, now
        )
        self._check_new_session(session)
        self._tables.sessions[session.id] = session
        return session

    def _check_new_session(self, session: ChatSession) -> None:
        self._tables.user(session.user_id)
        if session.memory_profile_id:
            self._tables.profile(session.user_id, session.memory_profile_id)
        if session.conversation_id:
            self._tables.conversation(session.conversation_id)
        if session.id in self._tables.sessions:
            raise Conflict

    async def get_chat_session(self, user_id: UserId, session_id: SessionId) -> ChatSession:
        return self._tables.session(user_id, session_id)

    async def get_active_session(self, conversation_id: ConversationId, user_id: UserId) -> ChatSession | None:
        key = (conversation_id, user_id)
        rows = [s for s in self._tables.sessions.values() if (s.conversation_id, s.user_id) == key and not s.closed_at]
        return _newest_first(rows, lambda row: row.created_at)[0] if rows else None

    async def update_chat_session(self, user_id: UserId, session_id: SessionId, patch: SessionPatch) -> ChatSession:
        session = self._tables.session(user_id, session_id)
        if patch.memory_profile_id:
            self._tables.profile(user_id, patch.memory_profile_id)
        changes = rules.given(patch)
        if not changes.keys() <= rules.SUMMARY_FIELDS:
            changes["updated_at"] = self._clock.now()
        self._tables.sessions[session_id] = session = replace(session, **changes)
        return session

    async def keep_summary(
        self,
        user_id: UserId,
        session_id: SessionId,
        summary: Sealed,
        covered: Sequence[ChatMessage],
        *,
        after_seq: int,
    ) -> bool:
        session = self._tables.session(user_id, session_id)
        first, last = (covered[0].seq, covered[-1].seq) if covered else (0, -1)
        held = [row for row in self._messages_of(session_id) if first <= row.seq <= last]
        if session.summary_until_seq != after_seq or not rules.stands(covered, ((row.id, row.content) for row in held)):
            return False
        self._tables.sessions[session_id] = replace(session, summary=summary, summary_until_seq=last)
        return True

    async def delete_chat_session(self, user_id: UserId, session_id: SessionId) -> int:
        self._tables.session(user_id, session_id)
        return self._tables.drop_session(session_id)

    async def get_user_sessions(
        self, user_id: UserId, limit: int = 50, offset: int = 0, *, profile_id: ProfileId | None = None
    ) -> list[ChatSession]:
        rows = [s for s in self._tables.sessions.values() if s.user_id == user_id]
        rows = [s for s in rows if profile_id in (None, s.memory_profile_id)]
        return _newest_first(rows, lambda row: row.updated_at)[offset : offset + limit]

    async def create_chat_message(self, user_id: UserId, message: ChatMessage) -> ChatMessage:
        session = self._tables.session(user_id, message.session_id)
        if message.id in self._tables.messages:
            raise Conflict
        stored = self._tables.append_message(message)
        self._tables.sessions[session.id] = replace(
            session, message_count=session.message_count + 1, updated_at=self._clock.now()
        )
        return stored

    async def get_session_messages(
        self, user_id: UserId, session_id: SessionId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        self._tables.session(user_id, session_id)
        return self._messages_of(session_id)[offset : offset + limit]

    def _messages_of(self, session_id: SessionId) -> list[ChatMessage]:
        return [row for row in self._tables.messages.values() if row.session_id == session_id]

    async def get_recent_messages(self, user_id: UserId, session_id: SessionId, limit: int) -> list[ChatMessage]:
        self._tables.session(user_id, session_id)
        return self._messages_of(session_id)[-limit:] if limit > 0 else []

    async def get_turn_messages(self, user_id: UserId, turn_id: TurnId) -> list[ChatMessage]:
        rows = [row for row in self._tables.messages.values() if row.turn_id == turn_id]
        readers = {row.author_id for row in rows} | {self._tables.sessions[row.session_id].user_id for row in rows}
        return rows if user_id in readers else []

    async def delete_session_messages(self, user_id: UserId, session_id: SessionId) -> int:
        self._tables.session(user_id, session_id)
        gone = self._tables.drop_messages({row.id for row in self._messages_of(session_id)})
        ended = {
            row.id
            for row in self._tables.inbox.values()
            if row.stamp.session_id == session_id and row.state not in rules.OPEN_STATES
        }
        self._tables.drop_turns(ended)
        session = self._tables.sessions[session_id]
        self._tables.sessions[session_id] = replace(session, message_count=0, summary=None, summary_until_seq=0)
        return gone

    async def get_unlearned_messages(self, namespace: MemoryNamespace, limit: int) -> list[ChatMessage]:
        said = [row for row in self._unlearned() if row.namespace == namespace]
        said = sorted(said, key=lambda row: row.created_at)[:limit]
        turns = {row.turn_id for row in said}
        replies = [r for r in self._tables.messages.values() if r.role is Role.ASSISTANT and r.turn_id in turns]
        return sorted([*said, *replies], key=rules.message_order)

    def _unlearned(self) -> list[ChatMessage]:
        return [row for row in self._tables.messages.values() if rules.is_unlearned(row)]

    async def find_namespaces_to_learn(self, quiet_before: datetime, min_messages: int) -> list[MemoryNamespace]:
        times: dict[MemoryNamespace, list[datetime]] = {}
        for row in self._unlearned():
            if row.namespace:
                times.setdefault(row.namespace, []).append(row.created_at)
        due = [name for name, at in times.items() if max(at) < quiet_before or len(at) >= min_messages]
        return sorted(due, key=lambda name: (min(times[name]), str(name)))

    async def mark_learned(self, namespace: MemoryNamespace, turns: Sequence[TurnId]) -> None:
        wanted = set(turns)
        for row in [r for r in self._tables.messages.values() if r.namespace == namespace and r.turn_id in wanted]:
            self._tables.messages[row.id] = replace(row, learned=True)


def _newest_first(rows: list[ChatSession], moment: Callable[[ChatSession], datetime]) -> list[ChatSession]:
    """Of two rows of the same instant the later one comes first."""
    return sorted(rows, key=moment)[::-1]
