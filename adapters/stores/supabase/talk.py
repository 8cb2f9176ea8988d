from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import chat_messages, chat_sessions
from adapters.stores.supabase.people import SupabaseProfiles
from adapters.stores.supabase.values import rows_of
from core.batches import SessionPatch
from core.errors import NotFound
from core.sealing import Sealed
from core.types import (
    ChatMessage,
    ChatSession,
    ConversationId,
    MemoryNamespace,
    PrivacyMode,
    ProfileId,
    SessionId,
    TurnId,
    UserId,
    new_id,
)


class SupabaseSessions(SupabaseProfiles):
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
        await self._rest.call("mc_add_session", rows.session_values(session))
        return session

    async def get_chat_session(self, user_id: UserId, session_id: SessionId) -> ChatSession:
        row = await self._rest.first(chat_sessions, {"id": session_id, "user_id": user_id})
        if row is None:
            raise NotFound
        return rows.session_of(row)

    async def get_active_session(self, conversation_id: ConversationId, user_id: UserId) -> ChatSession | None:
        which = {"conversation_id": conversation_id, "user_id": user_id, "closed_at": None}
        row = await self._rest.first(chat_sessions, which, order=("-created_at", "-ordinal"))
        return rows.session_of(row) if row else None

    async def update_chat_session(self, user_id: UserId, session_id: SessionId, patch: SessionPatch) -> ChatSession:
        if patch.memory_profile_id:
            await self.get_memory_profile(user_id, patch.memory_profile_id)
        changes = rules.given(patch)
        if not changes.keys() <= rules.SUMMARY_FIELDS:
            changes["updated_at"] = self._clock.now()
        if patch.summary:
            changes |= rows.sealed_values("summary", patch.summary)
        changed = await self._rest.change(chat_sessions, changes, {"id": session_id, "user_id": user_id})
        if not changed:
            raise NotFound
        return rows.session_of(changed[0])

    async def keep_summary(
        self,
        user_id: UserId,
        session_id: SessionId,
        summary: Sealed,
        covered: Sequence[ChatMessage],
        *,
        after_seq: int,
    ) -> bool:
        await self.get_chat_session(user_id, session_id)
        given = {
            "user_id": user_id,
            "session_id": session_id,
            "after_seq": after_seq,
            "covered": [[message.seq, message.id, message.content.text] for message in covered],
            **rows.sealed_values("summary", summary),
        }
        return bool(await self._rest.call("mc_keep_summary", given, safe=True))

    async def delete_chat_session(self, user_id: UserId, session_id: SessionId) -> int:
        return await self._empty(user_id, session_id, delete=True)

    async def get_user_sessions(
        self, user_id: UserId, limit: int = 50, offset: int = 0, *, profile_id: ProfileId | None = None
    ) -> list[ChatSession]:
        which = {"user_id": user_id} | ({"memory_profile_id": profile_id} if profile_id is not None else {})
        order = ("-updated_at", "-ordinal")
        found = await self._rest.find(chat_sessions, which, order=order, limit=limit, offset=offset)
        return [rows.session_of(row) for row in found]

    async def create_chat_message(self, user_id: UserId, message: ChatMessage) -> ChatMessage:
        given = {"user_id": user_id, "message": rows.message_values(message), "at": self._clock.now()}
        return replace(message, seq=await self._rest.call("mc_append_message", given, safe=True))

    async def get_session_messages(
        self, user_id: UserId, session_id: SessionId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        await self.get_chat_session(user_id, session_id)
        which = {"session_id": session_id}
        found = await self._rest.find(chat_messages, which, order=("seq",), limit=limit, offset=offset)
        return [rows.message_of(row) for row in found]

    async def get_recent_messages(self, user_id: UserId, session_id: SessionId, limit: int) -> list[ChatMessage]:
        await self.get_chat_session(user_id, session_id)
        newest = await self._rest.find(chat_messages, {"session_id": session_id}, order=("-seq",), limit=max(0, limit))
        return [rows.message_of(row) for row in newest][::-1]

    async def get_turn_messages(self, user_id: UserId, turn_id: TurnId) -> list[ChatMessage]:
        return await self._messages("mc_turn_messages", {"user_id": user_id, "turn_id": turn_id})

    async def delete_session_messages(self, user_id: UserId, session_id: SessionId) -> int:
        return await self._empty(user_id, session_id, delete=False)

    async def _empty(self, user_id: UserId, session_id: SessionId, *, delete: bool) -> int:
        given = {"user_id": user_id, "session_id": session_id, "delete": delete}
        return int(await self._rest.call("mc_empty_session", given))

    async def get_unlearned_messages(self, namespace: MemoryNamespace, limit: int) -> list[ChatMessage]:
        return await self._messages("mc_unlearned_messages", {"namespace": str(namespace), "limit": limit})

    async def find_namespaces_to_learn(self, quiet_before: datetime, min_messages: int) -> list[MemoryNamespace]:
        given = {"quiet_before": quiet_before, "min_messages": min_messages}
        return [
            MemoryNamespace.parse(text) for text in await self._rest.call("mc_namespaces_to_learn", given, safe=True)
        ]

    async def mark_learned(self, namespace: MemoryNamespace, turns: Sequence[TurnId]) -> None:
        await self._rest.call("mc_mark_learned", {"namespace": str(namespace), "turns": turns}, safe=True)

    async def get_authored_messages(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        return await self._messages("mc_authored_messages", {"user_id": user_id, "limit": limit, "offset": offset})

    async def _messages(self, function: str, given: Mapping[str, Any]) -> list[ChatMessage]:
        found = await self._rest.call(function, given, safe=True)
        return [rows.message_of(row) for row in rows_of(chat_messages, found)]
