from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, case, delete, select

from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.merge import merge
from adapters.stores.sql.schema import chat_messages, chat_sessions, link_codes, link_failures, mem0_memories
from adapters.stores.sql.users import find_user
from core.batches import LinkOffer, MergeBatch
from core.types import ChatMessage, ConversationId, IdentityId, MemoryRecord, UserId


class SqlLinks(Group):
    @writes
    def put_link_code(self, connection: Connection, offer: LinkOffer, code_hash: str, expires_at: datetime) -> None:
        find_user(connection, offer.user_id)
        values = {"conversation_id": offer.conversation_id, "code_hash": code_hash, "expires_at": expires_at}
        statement = insert(link_codes).values(user_id=offer.user_id, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))

    @writes
    def take_link_code(self, connection: Connection, code_hash: str, now: datetime) -> LinkOffer | None:
        taken = delete(link_codes).where(link_codes.c.code_hash == code_hash).returning(*link_codes.c)
        row = connection.execute(taken).first()
        if row is None or row.expires_at <= now:
            return None
        return LinkOffer(UserId(row.user_id), ConversationId(row.conversation_id))

    @reads
    def get_link_failures(self, connection: Connection, identity_id: IdentityId, forget_before: datetime) -> int:
        recent = (link_failures.c.identity_id == identity_id, link_failures.c.last_at >= forget_before)
        return connection.execute(select(link_failures.c.failures).where(*recent)).scalar() or 0

    @writes
    def count_link_failure(
        self, connection: Connection, identity_id: IdentityId, now: datetime, forget_before: datetime
    ) -> int:
        statement = insert(link_failures).values(identity_id=identity_id, failures=1, last_at=now)
        more = case((link_failures.c.last_at >= forget_before, link_failures.c.failures + 1), else_=1)
        counted = statement.on_conflict_do_update(
            index_elements=["identity_id"], set_={"failures": more, "last_at": now}
        ).returning(link_failures.c.failures)
        failures: int = connection.execute(counted).scalar_one()
        return failures

    @writes
    def clear_link_failures(self, connection: Connection, identity_id: IdentityId) -> None:
        connection.execute(delete(link_failures).where(link_failures.c.identity_id == identity_id))

    @reads
    def get_authored_messages(
        self, connection: Connection, user_id: UserId, limit: int = 100, offset: int = 0
    ) -> list[ChatMessage]:
        table = chat_messages
        wanted = (
            select(table)
            .join(chat_sessions, chat_sessions.c.id == table.c.session_id)
            .where(table.c.author_id == user_id, chat_sessions.c.user_id != user_id)
            .order_by(table.c.created_at, table.c.session_id, table.c.seq)
        )
        return [rows.message_of(row) for row in connection.execute(wanted.limit(limit).offset(offset))]

    @reads
    def get_authored_memories(
        self, connection: Connection, user_id: UserId, limit: int = 100, offset: int = 0
    ) -> list[MemoryRecord]:
        table = mem0_memories
        wanted = select(table).where(table.c.author_id == user_id, table.c.user_id != user_id)
        wanted = wanted.order_by(table.c.said_at, table.c.ordinal).limit(limit).offset(offset)
        return [rows.memory_of(row) for row in connection.execute(wanted)]

    @writes
    def merge_users(self, connection: Connection, batch: MergeBatch) -> None:
        merge(connection, batch)
