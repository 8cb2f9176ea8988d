from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import (
    channel_identities,
    chat_messages,
    chat_sessions,
    conversations,
    members,
    profile_shares,
    users,
)
from adapters.stores.supabase.group import Group
from adapters.stores.supabase.people import profile_of, with_profile
from adapters.stores.supabase.rest import Filters
from adapters.stores.supabase.values import maybe_row, row_of, rows_of
from core.batches import Scene, TalkScene
from core.errors import NotFound
from core.messages import Stamp
from core.types import (
    Conversation,
    ConversationId,
    ConversationKind,
    Member,
    MemoryNamespace,
    Place,
    PlatformName,
    UserId,
    UserKind,
    new_id,
)

IDS = 50
"""So many ids go into one address."""


class SupabaseScenes(Group):
    async def read_scene(
        self, platform: PlatformName, workspace_id: str, external_id: str, place: Place
    ) -> Scene | None:
        who = {"platform": platform, "workspace_id": workspace_id, "external_id": external_id}
        found = await self._rest.call("mc_read_scene", {**who, "place": rows.place_values(place)}, safe=True)
        if found is None:
            return None
        conversation = rows.conversation_of(row_of(conversations, found["conversation"]))
        user = rows.user_of(row_of(users, found["user"]))
        own, shared = (maybe_row(chat_sessions, found[name]) for name in ("own_session", "space_session"))
        parent = maybe_row(conversations, found["parent"])
        return Scene(
            user=user,
            identity=rows.identity_of(row_of(channel_identities, found["identity"])),
            conversation=conversation,
            member=_member(conversation.id, user.id, found),
            profiles=tuple(sorted(map(profile_of, found["profiles"]), key=rules.profile_order)),
            floor=rules.floor_of(conversation, rows.conversation_of(parent) if parent else None),
            space=MemoryNamespace(conversation.space_id, found["space_profile"]) if conversation.space_id else None,
            own_session=rows.session_of(own) if own else None,
            space_session=rows.session_of(shared) if shared else None,
            shares=tuple(rows.share_of(row) for row in rows_of(profile_shares, found["shares"])),
        )

    async def read_talk(self, stamp: Stamp, history: int) -> TalkScene:
        given = {
            "author_id": stamp.author_id,
            "owner_id": stamp.owner_id,
            "session_id": stamp.session_id,
            "profile_id": stamp.profile_id,
            "learn": str(stamp.learn) if stamp.learn else None,
            "history": max(0, history),
        }
        found = await self._rest.call("mc_read_talk", given, safe=True)
        if found is None:
            raise NotFound
        return TalkScene(
            user=rows.user_of(row_of(users, found["user"])),
            session=rows.session_of(row_of(chat_sessions, found["session"])),
            profile=profile_of(found["profile"]),
            messages=tuple(rows.message_of(row) for row in rows_of(chat_messages, found["messages"])),
            erase_generation=found["erase_generation"] or 0,
        )


class SupabaseConversations(Group):
    async def resolve_conversation(self, place: Place, kind: ConversationKind) -> Conversation:
        known = await self.find_conversation(place)
        if known:
            return known
        chain = [place.parent, place] if place.parent else [place]
        given = {"chain": [self._new(item, kind) for item in chain]}
        return _conversation(await self._rest.call("mc_resolve_conversation", given, safe=True))

    def _new(self, place: Place, kind: ConversationKind) -> dict[str, Any]:
        """A conversation as it is made where it is missing, and the space that goes with it."""
        now = self._clock.now()
        conversation = Conversation(ConversationId(new_id()), place, kind, now)
        space = rules.new_user(now, UserKind.SPACE, None, None, "")
        return {"conversation": rows.conversation_values(conversation), **with_profile(space)}

    async def find_conversation(self, place: Place) -> Conversation | None:
        row = await self._rest.first(conversations, rows.place_values(place))
        return rows.conversation_of(row) if row else None

    async def get_conversation(self, conversation_id: ConversationId) -> Conversation:
        row = await self._rest.first(conversations, {"id": conversation_id})
        if row is None:
            raise NotFound
        return rows.conversation_of(row)

    async def list_conversations(self, platform: PlatformName) -> list[Conversation]:
        found = await self._rest.find(conversations, {"platform": platform}, order=("ordinal",))
        return [rows.conversation_of(row) for row in found]

    async def get_user_rooms(self, user_id: UserId) -> list[Conversation]:
        mine = await self._rest.find(members, {"user_id": user_id}, order=("conversation_id",))
        been = await self._shared({row.conversation_id for row in mine})
        rooms = await self._shared({row.parent_id or row.id for row in been})
        return [rows.conversation_of(row) for row in sorted(rooms, key=lambda row: row.ordinal)]

    async def _shared(self, ids: set[str]) -> list[rows.AnyRow]:
        wanted = sorted(ids)
        found = []
        for first in range(0, len(wanted), IDS):
            some = partial(_among, wanted[first : first + IDS])
            found += await self._rest.find(conversations, {"kind": ConversationKind.SHARED}, some, order=("ordinal",))
        return found

    async def get_member(self, conversation_id: ConversationId, user_id: UserId) -> Member:
        which = {"conversation_id": conversation_id, "user_id": user_id}
        found = await self._rest.call("mc_member", which, safe=True)
        if found is None:
            raise NotFound
        return _member(conversation_id, user_id, found)

    async def save_member(self, member: Member) -> Member:
        saved = replace(member, version=member.version + 1)
        await self._rest.call("mc_save_member", rows.member_values(saved))
        return saved

    async def move_conversation(self, place: Place, new_place: Place) -> None:
        if place == new_place:
            return
        given = {"place": rows.place_values(place), "new_place": rows.place_values(new_place)}
        await self._rest.call("mc_move_conversation", given, safe=True)


def _among(ids: list[str], query: Filters) -> object:
    return query.in_("id", ids)


def _conversation(data: Mapping[str, Any]) -> Conversation:
    return rows.conversation_of(row_of(conversations, data))


def _member(conversation_id: ConversationId, user_id: UserId, found: Mapping[str, Any]) -> Member:
    """The stored one, or a fresh one that inherits from the place that a thread hangs under."""
    stored, above = maybe_row(members, found["member"]), maybe_row(members, found["parent_member"])
    if stored:
        return rows.member_of(stored)
    if above is None:
        return Member(conversation_id, user_id)
    return replace(rows.member_of(above), conversation_id=conversation_id, version=0)
