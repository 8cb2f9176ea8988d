from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, or_, select, union_all

from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.memories import move_on
from adapters.stores.sql.schema import (
    channel_identities,
    chat_messages,
    chat_sessions,
    conversations,
    erasures,
    inbox,
    link_failures,
    mem0_memories,
    members,
    memory_profiles,
    namespaces,
    outbox,
    pending,
    profile_shares,
    usage,
    users,
)
from adapters.stores.sql.sessions import drop_messages
from adapters.stores.sql.users import find_user
from core.errors import NotFound
from core.types import ConversationKind, ErasureReceipt, MemoryNamespace, UserId, UserKind, new_id

# By receipt word, children before parents so that they are counted; what else the person has goes down along the
# foreign keys with the user.
_OWNED: dict[str, Table] = {
    "shares": profile_shares,
    "sessions": chat_sessions,
    "members": members,
    "profiles": memory_profiles,
    "usage": usage,
    "pending": pending,
    "identities": channel_identities,
}


class SqlErasure(Group):
    @writes
    def erase_user(self, connection: Connection, user_id: UserId, at: datetime) -> ErasureReceipt:
        if find_user(connection, user_id).kind is not UserKind.PERSON:
            raise NotFound
        removed = _remove(connection, user_id)
        verified = not any(_remove(connection, user_id).values())
        receipt = ErasureReceipt(new_id(), user_id, "user", removed, verified, at)
        connection.execute(insert(erasures).values(rows.receipt_values(receipt)))
        return receipt

    @writes
    def save_receipt(self, connection: Connection, receipt: ErasureReceipt) -> None:
        values = rows.receipt_values(receipt)
        statement = insert(erasures).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    @reads
    def get_receipt(self, connection: Connection, receipt_id: str) -> ErasureReceipt | None:
        row = connection.execute(select(erasures).where(erasures.c.id == receipt_id)).first()
        return rows.receipt_of(row) if row else None


def _remove(connection: Connection, user_id: UserId) -> dict[str, int]:
    """Everything of a person, also in rooms; how many rows of what went."""
    private = _private_conversations(connection, user_id)
    accounts = select(channel_identities.c.id).where(channel_identities.c.user_id == user_id)
    connection.execute(delete(link_failures).where(link_failures.c.identity_id.in_(accounts)))
    removed = _remove_talk(connection, user_id)
    removed["memories"] = _remove_memories(connection, user_id)
    for word, table in _OWNED.items():
        removed[word] = connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount
    gone = delete(conversations).where(conversations.c.id.in_(private))
    removed["conversations"] = connection.execute(gone).rowcount
    removed["users"] = connection.execute(delete(users).where(users.c.id == user_id)).rowcount
    return removed


def _remove_talk(connection: Connection, user_id: UserId) -> dict[str, int]:
    theirs = or_(inbox.c.author_id == user_id, inbox.c.owner_id == user_id)
    turns = select(inbox.c.id).where(theirs)
    sessions = select(chat_sessions.c.id).where(chat_sessions.c.user_id == user_id)
    said = or_(
        chat_messages.c.author_id == user_id,
        chat_messages.c.turn_id.in_(turns),
        chat_messages.c.session_id.in_(sessions),
    )
    return {
        "messages": drop_messages(connection, said),
        "replies": connection.execute(delete(outbox).where(outbox.c.turn_id.in_(turns))).rowcount,
        "turns": connection.execute(delete(inbox).where(theirs)).rowcount,
    }


def _remove_memories(connection: Connection, user_id: UserId) -> int:
    theirs = or_(mem0_memories.c.user_id == user_id, mem0_memories.c.author_id == user_id)
    touched = select(mem0_memories.c.user_id, mem0_memories.c.profile_id).where(theirs).distinct()
    for owner_id, profile_id in connection.execute(touched).all():
        move_on(connection, MemoryNamespace(owner_id, profile_id), removed=True)
    connection.execute(delete(namespaces).where(namespaces.c.user_id == user_id))
    return connection.execute(delete(mem0_memories).where(theirs)).rowcount


def _private_conversations(connection: Connection, user_id: UserId) -> list[str]:
    """The person's chats with the bot, whose addresses name the person; not those that somebody else uses too."""
    presence = union_all(
        select(members.c.conversation_id, members.c.user_id),
        select(inbox.c.conversation_id, inbox.c.author_id),
        select(chat_sessions.c.conversation_id, chat_sessions.c.user_id),
    ).subquery()
    theirs = select(presence.c.conversation_id).where(presence.c.user_id == user_id)
    alone = (
        select(presence.c.conversation_id)
        .join(conversations, conversations.c.id == presence.c.conversation_id)
        .where(conversations.c.kind == ConversationKind.PRIVATE, conversations.c.id.in_(theirs))
        .group_by(presence.c.conversation_id)
        .having(func.min(presence.c.user_id) == func.max(presence.c.user_id))
    )
    return list(connection.execute(alone).scalars())
