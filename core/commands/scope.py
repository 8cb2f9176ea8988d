"""Which memories a person sees and forgets in a place.

In a private chat those of the profile in use; in a room the space's: all of them to its managers, to members those they
said themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.commands.format import plain
from core.commands.listing import Entry
from core.commands.model import CommandContext
from core.errors import NotFound
from core.messages import RoomRole
from core.pages import pages
from core.types import ConversationKind, Memory, MemoryNamespace, UserId

LISTED_SHARE = 0.5
SEARCH_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Scope:
    """The memories that a person sees and forgets in a place; `author` set: only what this person said."""

    namespace: MemoryNamespace
    name: str
    author: UserId | None = None

    def shows(self, memory: Memory) -> bool:
        return self.author is None or memory.author_id == self.author

    def entry(self, memory: Memory) -> Entry:
        return Entry(memory.namespace, memory.id, managed=self.author is None)


def is_manager(context: CommandContext) -> bool:
    return context.role == RoomRole.MANAGER


async def scope_of(context: CommandContext) -> Scope:
    space_id = context.conversation.space_id
    if context.conversation.kind is ConversationKind.SHARED and space_id is not None:
        profile = await context.store.get_default_memory_profile(space_id)
        return Scope(profile.namespace, "this room", None if is_manager(context) else context.user.id)
    profile = await context.store.get_memory_profile(context.user.id, context.turn.stamp.profile_id)
    return Scope(profile.namespace, f"your profile **{plain(profile.name)}**")


async def matches(context: CommandContext, scope: Scope, query: str) -> list[Memory]:
    found = await context.memory.search_memories([scope.namespace], query, limit=SEARCH_LIMIT)
    # A prompt may hold what is only near; a list that somebody forgets from may not.
    found = [hit for hit in found if hit.score >= found[0].score * LISTED_SHARE]
    return [item.memory for item in found if scope.shows(item.memory)]


async def visible(context: CommandContext, scope: Scope, *, include_superseded: bool = False) -> list[Memory]:
    """Newest said first."""

    async def read(limit: int, offset: int) -> Sequence[Memory]:
        return await context.memory.get_memories(
            scope.namespace, limit=limit, offset=offset, include_superseded=include_superseded
        )

    return [memory async for memory in pages(read) if scope.shows(memory)]


async def may_forget(context: CommandContext, entry: Entry) -> bool:
    """Ownership is checked again, whatever the list says: own profiles, own words, or a room that one manages."""
    if entry.namespace.user_id == context.user.id:
        return True
    try:
        memory = await context.memory.get_memory(entry.namespace, entry.memory_id)
    except NotFound:
        return False
    # In a direct chat a button of the room's list is all there is to tell a manager by; it lives for an hour.
    in_room = context.conversation.kind is ConversationKind.SHARED
    manages = is_manager(context) if in_room else entry.managed
    return memory.author_id == context.user.id or (entry.managed and manages)
