from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.sql.elements import ColumnElement

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import (
    access_grants,
    chat_messages,
    chat_sessions,
    event_keys,
    inbox,
    job_runs,
    link_codes,
    link_failures,
    mem0_memories,
    notices,
    outbox,
    pending,
    revoked_tokens,
    sign_ins,
)
from core.ports.access import CODE_LIFE, AccessState
from core.types import ConversationId, Metadata, UserId


class SqlMaintenance(Group):
    @writes
    def put_pending(
        self,
        connection: Connection,
        user_id: UserId,
        conversation_id: ConversationId,
        token: str,
        payload: Metadata,
        expires_at: datetime,
    ) -> None:
        values: rows.Values = {"payload": rules.plain(payload), "expires_at": expires_at}
        key = {"user_id": user_id, "conversation_id": conversation_id, "token": token}
        statement = insert(pending).values(**key, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))

    @writes
    def take_pending(
        self, connection: Connection, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        which = _pending(user_id, conversation_id, token)
        taken = delete(pending).where(*which).returning(pending.c.payload, pending.c.expires_at)
        row = connection.execute(taken).first()
        return row.payload if row and row.expires_at > now else None

    @reads
    def peek_pending(
        self, connection: Connection, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        which = (*_pending(user_id, conversation_id, token), pending.c.expires_at > now)
        payload: Metadata | None = connection.execute(select(pending.c.payload).where(*which)).scalar()
        return payload

    @writes
    def claim_job_run(self, connection: Connection, job: str, tick: datetime) -> bool:
        run = insert(job_runs).values(job=job, tick=tick).on_conflict_do_nothing()
        return bool(connection.execute(run).rowcount)

    @writes
    def purge(self, connection: Connection, now: datetime) -> int:
        waiting = select(inbox.c.event_key).where(inbox.c.state.in_(sorted(rules.OPEN_STATES)))
        old_keys = delete(event_keys).where(
            event_keys.c.at < now - rules.EVENT_KEY_LIFE, event_keys.c.event_key.not_in(waiting)
        )
        expired = [
            old_keys,
            delete(pending).where(pending.c.expires_at <= now),
            delete(link_codes).where(link_codes.c.expires_at <= now),
            delete(link_failures).where(link_failures.c.last_at < now - rules.LINK_FAILURE_LIFE),
            delete(revoked_tokens).where(revoked_tokens.c.expires_at <= now),
            delete(sign_ins).where(sign_ins.c.expires_at <= now),
            delete(access_grants).where(
                access_grants.c.state == AccessState.WAITING, access_grants.c.changed_at < now - CODE_LIFE
            ),
            delete(notices).where(notices.c.at < now - rules.NOTICE_LIFE),
            delete(job_runs).where(job_runs.c.tick < now - rules.JOB_RUN_LIFE),
        ]
        return sum(connection.execute(statement).rowcount for statement in expired)

    @reads
    def has_sealed_rows(self, connection: Connection) -> bool:
        key_ids = (
            chat_messages.c.content_key_id,
            mem0_memories.c.text_key_id,
            inbox.c.content_key_id,
            outbox.c.content_key_id,
            chat_sessions.c.summary_key_id,
        )
        return any(
            connection.execute(select(1).where(key_id.is_not(None)).limit(1)).first() is not None for key_id in key_ids
        )


def _pending(user_id: UserId, conversation_id: ConversationId, token: str) -> tuple[ColumnElement[bool], ...]:
    return (
        pending.c.user_id == user_id,
        pending.c.conversation_id == conversation_id,
        pending.c.token == token,
    )
