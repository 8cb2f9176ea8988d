"""A place, a person and accepted turns in a real store, for tests below the engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from core.batches import AcceptBatch
from core.messages import InboxRow, OutboxRow, ReplyAddress, ReplyKind, Stamp, event_key
from core.ports import Store
from core.sealing import Sealed
from core.types import (
    Audience,
    ChatSession,
    Conversation,
    ConversationKind,
    IdentityId,
    Lane,
    Place,
    PlatformName,
    PrivacyMode,
    SessionId,
    TurnId,
    TurnState,
    UserId,
    new_id,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEST = PlatformName("test")


class Stage:
    """One private conversation of one person, with an open session."""

    def __init__(self, store: Store, conversation: Conversation, stamp: Stamp, session: ChatSession) -> None:
        self.store = store
        self.conversation = conversation
        self.stamp = stamp
        self._session: ChatSession | None = session
        self.address = ReplyAddress(place=conversation.place, kind=conversation.kind, recipient="ana")
        self._count = 0

    @classmethod
    async def set(cls, store: Store, chat: str = "chat", platform: PlatformName = TEST) -> Stage:
        identity, _ = await store.resolve_identity(platform, "", f"ana-{chat}", "Ana")
        conversation = await store.resolve_conversation(Place(platform, "", chat), ConversationKind.PRIVATE)
        profile = await store.get_default_memory_profile(identity.user_id)
        session = ChatSession(
            id=SessionId(new_id()),
            user_id=identity.user_id,
            conversation_id=conversation.id,
            memory_profile_id=profile.id,
            privacy_mode=PrivacyMode.NORMAL,
            created_at=NOON,
            updated_at=NOON,
        )
        stamp = Stamp(
            conversation_id=conversation.id,
            session_id=session.id,
            author_id=identity.user_id,
            identity_id=IdentityId(identity.id),
            owner_id=UserId(identity.user_id),
            profile_id=profile.id,
            mode=PrivacyMode.NORMAL,
            audience=Audience.ROOM,
            recall=(profile.namespace,),
            learn=profile.namespace,
        )
        return cls(store, conversation, stamp, session)

    async def accept(self, text: str = "hello", **changes: object) -> InboxRow:
        """One more accepted message of the person."""
        self._count += 1
        row = InboxRow(
            id=TurnId(new_id()),
            event_key=event_key(TEST, "", f"{self.conversation.id}/{self._count}"),
            stamp=self.stamp,
            address=self.address,
            content=Sealed(text),
            lane=Lane.MAIN,
            mergeable=False,
            is_command=False,
            state=TurnState.ACCEPTED,
            sent_at=NOON,
            accepted_at=NOON,
        )
        row = replace(row, **changes)  # type: ignore[arg-type]  # field names of InboxRow
        stored = await self.store.accept(AcceptBatch(row=row, open_session=self._session))
        self._session = None
        assert stored is not None
        return stored

    async def outbox(self, row: InboxRow) -> OutboxRow:
        """The turn's reply, not sent yet."""
        return await self.store.open_outbox(OutboxRow.of(row, ReplyKind.ANSWER, NOON))
