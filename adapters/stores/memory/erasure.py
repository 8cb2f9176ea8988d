from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from adapters.stores.memory.tables import Group, Tables
from core.errors import NotFound
from core.types import ConversationId, ConversationKind, ErasureReceipt, TurnId, UserId, UserKind, new_id

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


class MemoryErasure(Group):
    async def erase_user(self, user_id: UserId, at: datetime) -> ErasureReceipt:
        if self._tables.user(user_id).kind is not UserKind.PERSON:
            raise NotFound
        removed = _remove(self._tables, user_id)
        verified = not any(_remove(self._tables, user_id).values())
        receipt = ErasureReceipt(new_id(), user_id, "user", removed, verified, at)
        self._tables.receipts[receipt.id] = receipt
        return receipt


def _remove(tables: Tables, user_id: UserId) -> dict[str, int]:
    """Everything of a person, also in rooms; how many rows of what went."""
    private = _private_conversations(tables, user_id)
    removed = _remove_talk(tables, user_id)
    removed["memories"] = _remove_memories(tables, user_id)
    removed["profiles"] = _drop(tables.profiles, [k for k, row in tables.profiles.items() if row.user_id == user_id])
    removed["members"] = _drop(tables.members, [key for key in tables.members if key[1] == user_id])
    removed["shares"] = _drop(tables.shares, [key for key in tables.shares if key[1].user_id == user_id])
    removed["usage"] = _drop(tables.usage, [key for key in tables.usage if key[0] == user_id])
    removed["pending"] = _drop(tables.pending, [key for key in tables.pending if key[0] == user_id])
    tables.drop_link_codes({user_id})
    tables.drop_account(user_id)
    for identity_id in [key for key, row in tables.identities.items() if row.user_id == user_id]:
        tables.link_failures.pop(identity_id, None)
    removed["identities"] = _drop(
        tables.identities, [key for key, row in tables.identities.items() if row.user_id == user_id]
    )
    for conversation_id in private:
        del tables.places[tables.conversations[conversation_id].place]
    removed["conversations"] = _drop(tables.conversations, private)
    removed["users"] = _drop(tables.users, [user_id] if user_id in tables.users else [])
    return removed


def _remove_talk(tables: Tables, user_id: UserId) -> dict[str, int]:
    turns: set[TurnId] = {
        key for key, row in tables.inbox.items() if user_id in {row.stamp.author_id, row.stamp.owner_id}
    }
    sessions = [key for key, row in tables.sessions.items() if row.user_id == user_id]
    messages = {
        key
        for key, row in tables.messages.items()
        if row.author_id == user_id or row.turn_id in turns or row.session_id in sessions
    }
    removed = {"messages": tables.drop_messages(messages), "replies": tables.drop_turns(turns), "turns": len(turns)}
    for session_id in sessions:
        tables.drop_session(session_id)
    return {**removed, "sessions": len(sessions)}


def _remove_memories(tables: Tables, user_id: UserId) -> int:
    gone = [key for key, row in tables.memories.items() if user_id in {row.namespace.user_id, row.author_id}]
    for namespace in {tables.memories[memory_id].namespace for memory_id in gone}:
        tables.move_on(namespace, removed=True)
    for namespace in [name for name in tables.namespaces if name.user_id == user_id]:
        del tables.namespaces[namespace]
    return _drop(tables.memories, gone)


def _private_conversations(tables: Tables, user_id: UserId) -> list[ConversationId]:
    """The person's chats with the bot, whose addresses name the person; not those that somebody else uses too."""
    people: dict[ConversationId, set[UserId]] = {}
    for conversation_id, person in _presences(tables):
        people.setdefault(conversation_id, set()).add(person)
    return [
        row.id
        for row in tables.conversations.values()
        if row.kind is ConversationKind.PRIVATE and people.get(row.id) == {user_id}
    ]


def _presences(tables: Tables) -> Iterator[tuple[ConversationId, UserId]]:
    yield from tables.members
    for row in tables.inbox.values():
        yield row.stamp.conversation_id, row.stamp.author_id
    for session in tables.sessions.values():
        if session.conversation_id:
            yield session.conversation_id, session.user_id


def _drop(table: dict[_Key, _Row], keys: list[_Key]) -> int:
    for key in keys:
        del table[key]
    return len(keys)
