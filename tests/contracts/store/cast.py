"""People, places, turns and memories for the store's tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from adapters.clock import ManualClock
from core.batches import AcceptBatch
from core.messages import InboxRow, OutboxRow, ReplyAddress, ReplyKind, Stamp
from core.ports import Store
from core.sealing import Sealed
from core.types import (
    Audience,
    ChatMessage,
    ChatSession,
    Conversation,
    ConversationKind,
    IdentityId,
    Lane,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    MessageId,
    Place,
    PlatformName,
    PrivacyMode,
    Role,
    TurnId,
    TurnState,
    User,
    new_id,
)

CONSOLE = PlatformName("console")
LEASE = timedelta(seconds=15)


@dataclass
class Person:
    """A person in a private chat, with an open session under their default profile."""

    user: User
    identity: IdentityId
    chat: Conversation
    session: ChatSession
    namespace: MemoryNamespace


@dataclass
class Cast:
    store: Store
    clock: ManualClock
    numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def lease(self) -> datetime:
        return self.now + LEASE

    async def person(self, name: str = "Ann") -> Person:
        identity, _ = await self.store.resolve_identity(CONSOLE, "", f"{name}-{next(self.numbers)}", name)
        chat = await self.store.resolve_conversation(
            Place(CONSOLE, "", f"dm-{identity.external_id}"), ConversationKind.PRIVATE
        )
        profile = await self.store.get_default_memory_profile(identity.user_id)
        session = await self.store.create_chat_session(
            identity.user_id, profile.id, PrivacyMode.NORMAL, conversation_id=chat.id
        )
        user = await self.store.get_user_by_id(identity.user_id)
        return Person(user, identity.id, chat, session, profile.namespace)

    async def room(self, chat_id: str = "room") -> tuple[Conversation, ChatSession, MemoryNamespace]:
        """A shared place with its space's open session and namespace."""
        room = await self.store.resolve_conversation(Place(CONSOLE, "team", chat_id), ConversationKind.SHARED)
        assert room.space_id is not None
        profile = await self.store.get_default_memory_profile(room.space_id)
        session = await self.store.create_chat_session(
            room.space_id, profile.id, PrivacyMode.NORMAL, conversation_id=room.id
        )
        return room, session, profile.namespace

    def row(self, person: Person, **changes: object) -> InboxRow:
        """A message of a person in their private chat; `changes` go over the row's fields."""
        stamp = Stamp(
            conversation_id=person.chat.id,
            session_id=person.session.id,
            author_id=person.user.id,
            identity_id=person.identity,
            owner_id=person.user.id,
            profile_id=person.namespace.profile_id,
            mode=PrivacyMode.NORMAL,
            audience=Audience.ASKER,
            recall=(person.namespace,),
            learn=person.namespace,
        )
        row = InboxRow(
            id=TurnId(new_id()),
            event_key=new_id(),
            stamp=stamp,
            address=ReplyAddress(person.chat.place, ConversationKind.PRIVATE, "u", "t", "m", "h"),
            content=Sealed("sealed text", "key-1"),
            lane=Lane.MAIN,
            mergeable=True,
            is_command=False,
            state=TurnState.ACCEPTED,
            sent_at=self.now,
            accepted_at=self.now,
        )
        return replace(row, **changes)  # type: ignore[arg-type]  # any field of the row

    def row_in(
        self, person: Person, room: Conversation, session: ChatSession, learn: MemoryNamespace, **changes: object
    ) -> InboxRow:
        row = self.row(person, **changes)
        stamp = replace(
            row.stamp,
            conversation_id=room.id,
            session_id=session.id,
            owner_id=session.user_id,
            profile_id=learn.profile_id,
            audience=Audience.ROOM,
            recall=(learn,),
            learn=learn,
        )
        return replace(row, stamp=stamp)

    async def accepted(self, person: Person, **changes: object) -> InboxRow:
        row = await self.store.accept(AcceptBatch(row=self.row(person, **changes)))
        assert row is not None
        return row

    async def claimed(self, person: Person, owner: str = "w1", **changes: object) -> InboxRow:
        await self.accepted(person, **changes)
        rows = await self.store.claim_turn(person.chat.id, Lane.MAIN, owner, self.lease, self.now)
        return rows[0]

    async def reply_to(self, row: InboxRow) -> OutboxRow:
        return await self.store.open_outbox(OutboxRow.of(row, ReplyKind.ANSWER, self.now))

    def said(self, person: Person, row: InboxRow | None = None, **changes: object) -> ChatMessage:
        message = ChatMessage(
            id=MessageId(new_id()),
            session_id=row.stamp.session_id if row else person.session.id,
            role=Role.USER,
            content=Sealed("what was said", "key-1"),
            created_at=self.now,
            turn_id=row.id if row else TurnId(new_id()),
            author_id=person.user.id,
            author_name="Ann",
            namespace=row.stamp.learn if row else person.namespace,
            metadata={"n": 1},
        )
        return replace(message, **changes)  # type: ignore[arg-type]  # any field of the message

    def answer(self, person: Person, row: InboxRow, **changes: object) -> ChatMessage:
        return self.said(person, row, role=Role.ASSISTANT, author_id=None, namespace=None, **changes)

    def memory(self, namespace: MemoryNamespace, **changes: object) -> MemoryRecord:
        record = MemoryRecord(
            id=MemoryId(new_id()),
            namespace=namespace,
            text=Sealed("a fact", "key-2"),
            vector=Sealed("AAAA", "key-2"),
            embedder="minilm/384",
            state=MemoryState.RECENT,
            said_at=self.now,
            created_at=self.now,
            updated_at=self.now,
            author_id=namespace.user_id,
            author_name="Ann",
            language="en",
            platform=CONSOLE,
            source_turns=(TurnId(new_id()), TurnId(new_id())),
            metadata={"tags": ["a", {"b": None}]},
        )
        return replace(record, **changes)  # type: ignore[arg-type]  # any field of the record

    async def remembered(self, namespace: MemoryNamespace, **changes: object) -> MemoryRecord:
        return await self.store.store_mem0_memory_reference(self.memory(namespace, **changes))


__all__ = ["CONSOLE", "LEASE", "Cast", "Person"]
