from __future__ import annotations

from dataclasses import replace

from adapters.stores import rules
from adapters.stores.memory.users import MemoryUsers
from core.errors import Conflict, StaleMember
from core.types import (
    Conversation,
    ConversationId,
    ConversationKind,
    Member,
    Place,
    PlatformName,
    UserId,
    UserKind,
    new_id,
)


class MemoryConversations(MemoryUsers):
    async def resolve_conversation(self, place: Place, kind: ConversationKind) -> Conversation:
        known = await self.find_conversation(place)
        if known:
            return known
        parent = await self.resolve_conversation(place.parent, kind) if place.parent else None
        now = self._clock.now()
        space_id = parent.space_id if parent else None
        if kind is ConversationKind.SHARED and space_id is None:
            space_id = self._add_user(rules.new_user(now, UserKind.SPACE, None, None, "")).id
        conversation = Conversation(
            ConversationId(new_id()), place, kind, now, parent_id=parent.id if parent else None, space_id=space_id
        )
        self._tables.conversations[conversation.id] = conversation
        self._tables.places[place] = conversation.id
        return conversation

    async def find_conversation(self, place: Place) -> Conversation | None:
        conversation_id = self._tables.places.get(place)
        return self._tables.conversations[conversation_id] if conversation_id else None

    async def get_conversation(self, conversation_id: ConversationId) -> Conversation:
        return self._tables.conversation(conversation_id)

    async def list_conversations(self, platform: PlatformName) -> list[Conversation]:
        return [row for row in self._tables.conversations.values() if row.place.platform == platform]

    async def get_user_rooms(self, user_id: UserId) -> list[Conversation]:
        been = [self._tables.conversations[key] for key, person in self._tables.members if person == user_id]
        rooms = {row.parent_id or row.id for row in been if row.kind is ConversationKind.SHARED}
        return [row for row in self._tables.conversations.values() if row.id in rooms]

    async def get_member(self, conversation_id: ConversationId, user_id: UserId) -> Member:
        conversation = self._tables.conversation(conversation_id)
        member = self._tables.members.get((conversation_id, user_id))
        if member:
            return member
        parent = self._tables.members.get((conversation.parent_id, user_id)) if conversation.parent_id else None
        fresh = Member(conversation_id, user_id)
        if parent is None:
            return fresh
        return replace(fresh, mode=parent.mode, profile_id=parent.profile_id, welcomed=parent.welcomed)

    async def save_member(self, member: Member) -> Member:
        self._check_member(member)
        return self._write_member(member)

    def _check_member(self, member: Member) -> None:
        self._tables.conversation(member.conversation_id)
        self._tables.user(member.user_id)
        if member.profile_id:
            self._tables.profile(member.user_id, member.profile_id)
        stored = self._tables.members.get((member.conversation_id, member.user_id))
        if member.version != (stored.version if stored else 0):
            raise StaleMember

    def _write_member(self, member: Member) -> Member:
        saved = replace(member, version=member.version + 1)
        self._tables.members[member.conversation_id, member.user_id] = saved
        return saved

    async def move_conversation(self, place: Place, new_place: Place) -> None:
        tables = self._tables
        if place not in tables.places or place == new_place:
            return
        moving = [row for row in tables.conversations.values() if row.place == place or row.place.parent == place]
        target = {row.id: _moved(row.place, place, new_place) for row in moving}
        for taken in [tables.places[spot] for spot in target.values() if spot in tables.places]:
            self._drop_unused(taken)
        for row in moving:
            del tables.places[row.place]
            tables.places[target[row.id]] = row.id
            tables.conversations[row.id] = replace(row, place=target[row.id])

    def _drop_unused(self, conversation_id: ConversationId) -> None:
        """Make room for a conversation that moves here. Raises Conflict when people have talked here already."""
        tables = self._tables
        if any(row.conversation_id == conversation_id for row in tables.sessions.values()):
            raise Conflict
        del tables.places[tables.conversations.pop(conversation_id).place]
        for key in [key for key in tables.members if key[0] == conversation_id]:
            del tables.members[key]


def _moved(spot: Place, place: Place, new_place: Place) -> Place:
    return new_place if spot == place else replace(new_place, thread_id=spot.thread_id)
