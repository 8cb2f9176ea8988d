from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import access_grants, api_keys, credentials, revoked_tokens, sign_ins
from adapters.stores.supabase.people import SupabaseUsers, with_profile
from adapters.stores.supabase.values import maybe_row, to_json
from core.errors import NotFound
from core.ports.access import CODE_LIFE, AccessGrant, AccessState
from core.ports.accounts import ApiKey, SignIn
from core.types import PlatformName, User, UserId, UserKind


class SupabaseAccounts(SupabaseUsers):
    async def create_account(self, email: str, password_hash: str) -> User:
        user = rules.new_user(self._clock.now(), UserKind.PERSON, email, None, "")
        given = {**with_profile(user), "credentials": self._credentials(user.id, password_hash)}
        await self._rest.call("mc_create_user", given)
        return user

    async def get_password_hash(self, user_id: UserId) -> str | None:
        row = await self._rest.first(credentials, {"user_id": user_id})
        return str(row.password_hash) if row else None

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        values = self._credentials(user_id, password_hash)
        await self._rest.add(credentials, values, key=("user_id",), replace=True)

    def _credentials(self, user_id: UserId, password_hash: str) -> rows.Values:
        now = self._clock.now()
        return {"user_id": user_id, "password_hash": password_hash, "created_at": now, "updated_at": now}

    async def open_sign_in(self, sign_in: SignIn) -> None:
        await self._rest.add(sign_ins, rows.sign_in_values(sign_in))

    async def get_sign_in(self, sign_in_id: str, now: datetime) -> SignIn | None:
        row = await self._rest.first(sign_ins, {"id": sign_in_id}, lambda query: query.gt("expires_at", to_json(now)))
        return rows.sign_in_of(row) if row else None

    async def renew_sign_in(
        self, sign_in_id: str, token_id: str, new_token_id: str, expires_at: datetime, now: datetime
    ) -> SignIn | None:
        changed = await self._rest.change(
            sign_ins,
            {"token_id": new_token_id, "expires_at": expires_at},
            {"id": sign_in_id, "token_id": token_id},
            lambda query: query.gt("expires_at", to_json(now)),
            safe=False,
        )
        if changed:
            return rows.sign_in_of(changed[0])
        await self.close_sign_in(sign_in_id)
        return None

    async def close_sign_in(self, sign_in_id: str) -> bool:
        return bool(await self._rest.drop(sign_ins, {"id": sign_in_id}))

    async def close_sign_ins(self, user_id: UserId, *, keep: str = "") -> int:
        return len(await self._rest.drop(sign_ins, {"user_id": user_id}, lambda query: query.neq("id", keep)))

    async def revoke_token(self, token_id: str, expires_at: datetime) -> None:
        values = {"token_id": token_id, "expires_at": expires_at}
        await self._rest.add(revoked_tokens, values, key=("token_id",), safe=True)

    async def is_token_revoked(self, token_ids: Sequence[str]) -> bool:
        return await self._rest.first(revoked_tokens, {}, lambda query: query.in_("token_id", token_ids)) is not None

    async def create_api_key(self, key: ApiKey, key_hash: str) -> None:
        await self._rest.add(api_keys, {"key_hash": key_hash, **rows.api_key_values(key)})

    async def get_api_keys(self, user_id: UserId | None) -> list[ApiKey]:
        which = {"user_id": user_id} if user_id is not None else {}
        found = await self._rest.find(api_keys, which, order=("created_at", "id"))
        return [rows.api_key_of(row) for row in found]

    async def use_api_key(self, key_hash: str, now: datetime) -> ApiKey | None:
        used = await self._rest.change(
            api_keys,
            {"last_used_at": now},
            {"key_hash": key_hash, "revoked": False},
            lambda query: query.or_(f'expires_at.is.null,expires_at.gt."{to_json(now)}"'),
        )
        return rows.api_key_of(used[0]) if used else None

    async def revoke_api_key(self, key_id: str) -> ApiKey:
        revoked = await self._rest.change(api_keys, {"revoked": True}, {"id": key_id})
        if not revoked:
            raise NotFound
        return rows.api_key_of(revoked[0])

    async def request_access(self, request: AccessGrant, most: int) -> AccessGrant | None:
        given = {"request": rows.grant_values(request), "over": request.changed_at - CODE_LIFE, "most": most}
        row = maybe_row(access_grants, await self._rest.call("mc_request_access", given, safe=True))
        return rows.grant_of(row) if row else None

    async def set_access(self, grant: AccessGrant) -> None:
        key = ("platform", "workspace_id", "external_id")
        await self._rest.add(access_grants, rows.grant_values(grant), key=key, replace=True)

    async def approve_access(self, code: str, now: datetime) -> AccessGrant | None:
        allowed = await self._rest.change(
            access_grants,
            {"state": AccessState.ALLOWED, "code": "", "changed_at": now},
            {"code": code, "state": AccessState.WAITING},
            lambda query: query.gte("changed_at", to_json(now - CODE_LIFE)),
            safe=False,
        )
        return rows.grant_of(allowed[0]) if allowed else None

    async def drop_access(self, platform: PlatformName, workspace_id: str, external_id: str) -> bool:
        which = {"platform": platform, "workspace_id": workspace_id, "external_id": external_id}
        return bool(await self._rest.drop(access_grants, which))

    async def list_access(self) -> list[AccessGrant]:
        order = ("changed_at", "platform", "workspace_id", "external_id")
        return [rows.grant_of(row) for row in await self._rest.find(access_grants, {}, order=order)]
