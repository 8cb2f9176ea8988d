"""Places and the talk in them: conversations, sessions, messages, and what one message needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.batches import Scene, SessionPatch, TalkScene
from core.messages import Stamp
from core.sealing import Sealed
from core.types import (
    ChatMessage,
    ChatSession,
    Conversation,
    ConversationId,
    ConversationKind,
    Member,
    MemoryNamespace,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    SessionId,
    TurnId,
    UserId,
)


class SceneStore(Protocol):
    """What the reply path reads, each in one look."""

    async def read_scene(
        self, platform: PlatformName, workspace_id: str, external_id: str, place: Place
    ) -> Scene | None:
        """None: the person or the place is not known yet."""
        ...

    async def read_talk(self, stamp: Stamp, history: int) -> TalkScene:
        """Raises NotFound when session, person or profile is gone."""
        ...


class ConversationStore(Protocol):
    async def resolve_conversation(self, place: Place, kind: ConversationKind) -> Conversation:
        """Get or create; a thread's parent and a shared place's space user (with its profile) are made along."""
        ...

    async def find_conversation(self, place: Place) -> Conversation | None: ...

    async def get_conversation(self, conversation_id: ConversationId) -> Conversation: ...

    async def list_conversations(self, platform: PlatformName) -> list[Conversation]:
        """For reading back what was written while the bot was away."""
        ...

    async def get_user_rooms(self, user_id: UserId) -> list[Conversation]:
        """The SHARED conversations that a person is a stored member of, each once, oldest first; for a thread its
        room."""
        ...

    async def get_member(self, conversation_id: ConversationId, user_id: UserId) -> Member:
        """The stored member, or a fresh one (version 0, not stored) with the mode and profile of the parent's
        member."""
        ...

    async def save_member(self, member: Member) -> Member:
        """Raises StaleMember when `member.version` is not the stored one; returns it with its new version."""
        ...

    async def move_conversation(self, place: Place, new_place: Place) -> None:
        """A chat got a new id on its platform: members, sessions and memory stay with it. No-op when unknown."""
        ...


class SessionStore(Protocol):
    async def create_chat_session(
        self,
        user_id: UserId,
        profile_id: ProfileId | None,
        privacy_mode: PrivacyMode,
        *,
        conversation_id: ConversationId | None = None,
        session_id: SessionId | None = None,
    ) -> ChatSession:
        """Raises NotFound for another user's profile."""
        ...

    async def get_chat_session(self, user_id: UserId, session_id: SessionId) -> ChatSession: ...

    async def get_active_session(self, conversation_id: ConversationId, user_id: UserId) -> ChatSession | None:
        """The newest open session that this owner has in a conversation."""
        ...

    async def update_chat_session(self, user_id: UserId, session_id: SessionId, patch: SessionPatch) -> ChatSession: ...

    async def keep_summary(
        self,
        user_id: UserId,
        session_id: SessionId,
        summary: Sealed,
        covered: Sequence[ChatMessage],
        *,
        after_seq: int,
    ) -> bool:
        """Set a session's rolling summary, which covers everything up to the last of `covered` from now on.

        It was made from the summary up to `after_seq` and from `covered`, neighbours in order. False, and nothing is
        written, when the session's summary is another by now, or when one of `covered` went away or was changed: what
        was forgotten must not come back. Raises NotFound.
        """
        ...

    async def delete_chat_session(self, user_id: UserId, session_id: SessionId) -> int:
        """With its messages, turns and replies; how many messages there were."""
        ...

    async def get_user_sessions(
        self, user_id: UserId, limit: int = 50, offset: int = 0, *, profile_id: ProfileId | None = None
    ) -> list[ChatSession]:
        """Newest `updated_at` first."""
        ...

    async def create_chat_message(self, user_id: UserId, message: ChatMessage) -> ChatMessage:
        """`user_id` owns the session; `seq` is set here."""
        ...

    async def get_session_messages(
        self, user_id: UserId, session_id: SessionId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        """Oldest first."""
        ...

    async def get_recent_messages(self, user_id: UserId, session_id: SessionId, limit: int) -> list[ChatMessage]:
        """The newest `limit` ones, oldest first."""
        ...

    async def get_turn_messages(self, user_id: UserId, turn_id: TurnId) -> list[ChatMessage]:
        """The messages that came of one turn; `user_id` is their author or owns the session."""
        ...

    async def delete_session_messages(self, user_id: UserId, session_id: SessionId) -> int: ...

    async def get_unlearned_messages(self, namespace: MemoryNamespace, limit: int) -> list[ChatMessage]:
        """User messages in normal mode that the learning job has not taken, with the replies of their turns; by
        time."""
        ...

    async def find_namespaces_to_learn(self, quiet_before: datetime, min_messages: int) -> list[MemoryNamespace]:
        """Those with unlearned messages that are older than `quiet_before`, or at least `min_messages` of them."""
        ...

    async def mark_learned(self, namespace: MemoryNamespace, turns: Sequence[TurnId]) -> None: ...
