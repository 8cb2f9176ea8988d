from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.stores import rules
from adapters.stores.memory.users import MemoryUsers
from core.errors import Conflict, NotFound
from core.ports.accounts import ApiKey, SignIn
from core.types import User, UserId, UserKind


class MemoryAccounts(MemoryUsers):
    async def create_account(self, email: str, password_hash: str) -> User:
        if await self.get_user_by_email(email):
            raise Conflict
        user = self._add_user(rules.new_user(self._clock.now(), UserKind.PERSON, email, None, ""))
        self._tables.credentials[user.id] = password_hash
        return user

    async def get_password_hash(self, user_id: UserId) -> str | None:
        return self._tables.credentials.get(user_id)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        self._tables.user(user_id)
        self._tables.credentials[user_id] = password_hash

    async def open_sign_in(self, sign_in: SignIn) -> None:
        self._tables.user(sign_in.user_id)
        self._tables.sign_ins[sign_in.id] = sign_in

    async def get_sign_in(self, sign_in_id: str, now: datetime) -> SignIn | None:
        found = self._tables.sign_ins.get(sign_in_id)
        return found if found and found.expires_at > now else None

    async def renew_sign_in(
        self, sign_in_id: str, token_id: str, new_token_id: str, expires_at: datetime, now: datetime
    ) -> SignIn | None:
        current = await self.get_sign_in(sign_in_id, now)
        if current is None or current.token_id != token_id:
            await self.close_sign_in(sign_in_id)
            return None
        renewed = replace(current, token_id=new_token_id, expires_at=expires_at)
        self._tables.sign_ins[sign_in_id] = renewed
        return renewed

    async def close_sign_in(self, sign_in_id: str) -> bool:
        return self._tables.sign_ins.pop(sign_in_id, None) is not None

    async def close_sign_ins(self, user_id: UserId, *, keep: str = "") -> int:
        gone = [key for key, row in self._tables.sign_ins.items() if row.user_id == user_id and key != keep]
        for key in gone:
            del self._tables.sign_ins[key]
        return len(gone)

    async def revoke_token(self, token_id: str, expires_at: datetime) -> None:
        self._tables.revoked_tokens.setdefault(token_id, expires_at)

    async def is_token_revoked(self, token_ids: Sequence[str]) -> bool:
        return any(token_id in self._tables.revoked_tokens for token_id in token_ids)

    async def create_api_key(self, key: ApiKey, key_hash: str) -> None:
        self._tables.user(key.user_id)
        self._tables.api_keys[key_hash] = key

    async def get_api_keys(self, user_id: UserId | None) -> list[ApiKey]:
        keys = [key for key in self._tables.api_keys.values() if user_id in (None, key.user_id)]
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    async def use_api_key(self, key_hash: str, now: datetime) -> ApiKey | None:
        key = self._tables.api_keys.get(key_hash)
        if key is None or key.revoked or (key.expires_at is not None and key.expires_at <= now):
            return None
        self._tables.api_keys[key_hash] = used = replace(key, last_used_at=now)
        return used

    async def revoke_api_key(self, key_id: str) -> ApiKey:
        for key_hash, key in self._tables.api_keys.items():
            if key.id == key_id:
                self._tables.api_keys[key_hash] = revoked = replace(key, revoked=True)
                return revoked
        raise NotFound
