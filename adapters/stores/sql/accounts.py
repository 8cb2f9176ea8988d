from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import api_keys, credentials, revoked_tokens, sign_ins
from adapters.stores.sql.users import add_user, find_user
from core.errors import NotFound
from core.ports.accounts import ApiKey, SignIn
from core.types import User, UserId, UserKind


class SqlAccounts(Group):
    @writes
    def create_account(self, connection: Connection, email: str, password_hash: str) -> User:
        user = add_user(connection, rules.new_user(self._clock.now(), UserKind.PERSON, email, None, ""))
        self._write_hash(connection, user.id, password_hash)
        return user

    @reads
    def get_password_hash(self, connection: Connection, user_id: UserId) -> str | None:
        return connection.execute(select(credentials.c.password_hash).where(credentials.c.user_id == user_id)).scalar()

    @writes
    def set_password_hash(self, connection: Connection, user_id: UserId, password_hash: str) -> None:
        find_user(connection, user_id)
        self._write_hash(connection, user_id, password_hash)

    def _write_hash(self, connection: Connection, user_id: UserId, password_hash: str) -> None:
        now = self._clock.now()
        statement = insert(credentials).values(
            user_id=user_id, password_hash=password_hash, created_at=now, updated_at=now
        )
        changed = {"password_hash": password_hash, "updated_at": now}
        connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changed))

    @writes
    def open_sign_in(self, connection: Connection, sign_in: SignIn) -> None:
        find_user(connection, sign_in.user_id)
        connection.execute(insert(sign_ins).values(rows.sign_in_values(sign_in)))

    @reads
    def get_sign_in(self, connection: Connection, sign_in_id: str, now: datetime) -> SignIn | None:
        return _open_sign_in(connection, sign_in_id, now)

    @writes
    def renew_sign_in(
        self,
        connection: Connection,
        sign_in_id: str,
        token_id: str,
        new_token_id: str,
        expires_at: datetime,
        now: datetime,
    ) -> SignIn | None:
        current = _open_sign_in(connection, sign_in_id, now)
        if current is None or current.token_id != token_id:
            connection.execute(delete(sign_ins).where(sign_ins.c.id == sign_in_id))
            return None
        changed = {"token_id": new_token_id, "expires_at": expires_at}
        connection.execute(update(sign_ins).where(sign_ins.c.id == sign_in_id).values(changed))
        return _open_sign_in(connection, sign_in_id, now)

    @writes
    def close_sign_in(self, connection: Connection, sign_in_id: str) -> bool:
        return bool(connection.execute(delete(sign_ins).where(sign_ins.c.id == sign_in_id)).rowcount)

    @writes
    def close_sign_ins(self, connection: Connection, user_id: UserId, *, keep: str = "") -> int:
        return connection.execute(delete(sign_ins).where(sign_ins.c.user_id == user_id, sign_ins.c.id != keep)).rowcount

    @writes
    def revoke_token(self, connection: Connection, token_id: str, expires_at: datetime) -> None:
        statement = insert(revoked_tokens).values(token_id=token_id, expires_at=expires_at)
        connection.execute(statement.on_conflict_do_nothing())

    @reads
    def is_token_revoked(self, connection: Connection, token_ids: Sequence[str]) -> bool:
        wanted = select(1).where(revoked_tokens.c.token_id.in_(list(token_ids))).limit(1)
        return connection.execute(wanted).first() is not None

    @writes
    def create_api_key(self, connection: Connection, key: ApiKey, key_hash: str) -> None:
        find_user(connection, key.user_id)
        connection.execute(insert(api_keys).values(key_hash=key_hash, **rows.api_key_values(key)))

    @reads
    def get_api_keys(self, connection: Connection, user_id: UserId | None) -> list[ApiKey]:
        wanted = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        if user_id is not None:
            wanted = wanted.where(api_keys.c.user_id == user_id)
        return [rows.api_key_of(row) for row in connection.execute(wanted)]

    @writes
    def use_api_key(self, connection: Connection, key_hash: str, now: datetime) -> ApiKey | None:
        valid = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
        which = (api_keys.c.key_hash == key_hash, ~api_keys.c.revoked, valid)
        row = connection.execute(update(api_keys).where(*which).values(last_used_at=now).returning(*api_keys.c)).first()
        return rows.api_key_of(row) if row else None

    @writes
    def revoke_api_key(self, connection: Connection, key_id: str) -> ApiKey:
        revoked = update(api_keys).where(api_keys.c.id == key_id).values(revoked=True).returning(*api_keys.c)
        row = connection.execute(revoked).first()
        if row is None:
            raise NotFound
        return rows.api_key_of(row)


def _open_sign_in(connection: Connection, sign_in_id: str, now: datetime) -> SignIn | None:
    which = (sign_ins.c.id == sign_in_id, sign_ins.c.expires_at > now)
    row = connection.execute(select(sign_ins).where(*which)).first()
    return rows.sign_in_of(row) if row else None
