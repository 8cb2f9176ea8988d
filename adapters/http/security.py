"""Accounts: signing up, in and out, and whom a token or a key belongs to."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from adapters.http.api_keys import key_hash
from adapters.http.config import HttpConfig
from adapters.http.limiter import RateLimiter
from adapters.http.supabase import SupabaseAuth, SupabaseClaims, SupabaseTokens
from adapters.http.tokens import ACCESS, REFRESH, TokenClaims, TokenSigner
from core.errors import Forbidden, NotAuthenticated, NotFound
from core.ports import Clock, Store
from core.ports.accounts import SignIn
from core.types import PlatformName, User, UserId, is_canonical_uuid, new_id

SUPABASE = PlatformName("supabase")
HASHES_AT_ONCE = 2
"""A password's hash takes 64 MiB and a core for a moment; more at once would only take turns."""


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    refresh_token: str
    expires_in: int
    user: User


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and by what. `scopes` None: signed in, so everything of their own."""

    user: User
    sign_in_id: str = ""
    scopes: frozenset[str] | None = None
    supabase: SupabaseClaims | None = None
    token: str = ""


class SecurityService:
    """Sign-up, sign-in and out, and the checks of every token.

    Our own access tokens name their sign-in, which is looked up each time: signing out ends them at once, and a sign-in
    follows its person when accounts are joined.
    """

    def __init__(self, config: HttpConfig, store: Store, clock: Clock, supabase: SupabaseAuth | None = None) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._signer = TokenSigner(config.jwt, clock)
        self.supabase = supabase
        self.limiter = RateLimiter(config.rate_limits)
        self._hasher = PasswordHash((Argon2Hasher(memory_cost=config.password_memory),))
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._nobodys_hash = self._hasher.hash(secrets.token_hex())

    # -- passwords --------------------------------------------------------------------------------------------------

    async def hash_password(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify_password(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash to compare with."""
        async with self._hashing:
            matches = await asyncio.to_thread(self._hasher.verify, password, password_hash or self._nobodys_hash)
        return matches and password_hash is not None

    async def sign_up(self, email: str, password: str) -> Tokens:
        """Raises Conflict on a taken e-mail."""
        if self.supabase is not None:
            return await self._foreign_tokens(await self.supabase.sign_up(email, password))
        user = await self._store.create_account(email, await self.hash_password(password))
        return await self._signed_in(user)

    async def sign_in(self, email: str, password: str) -> Tokens:
        """Raises NotAuthenticated, the same for an unknown address and a wrong password."""
        if self.supabase is not None:
            return await self._foreign_tokens(await self.supabase.sign_in(email, password))
        user = await self._store.get_user_by_email(email)
        known = await self._store.get_password_hash(user.id) if user else None
        if not await self.verify_password(password, known) or user is None:
            raise NotAuthenticated(user_message="E-mail address or password is wrong.")
        return await self._signed_in(user)

    async def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Every other client of this person is signed out."""
        if not await self.verify_password(current, await self._store.get_password_hash(caller.user.id)):
            raise Forbidden(user_message="The current password is wrong.")
        await self._store.set_password_hash(caller.user.id, await self.hash_password(new))
        await self._store.close_sign_ins(caller.user.id, keep=caller.sign_in_id)

    async def confirm_password(self, caller: Caller, password: str) -> None:
        """Raises Forbidden unless it is the caller's."""
        if self.supabase is not None:
            await self.supabase.sign_in(caller.user.email or "", password)
        elif not await self.verify_password(password, await self._store.get_password_hash(caller.user.id)):
            raise Forbidden(user_message="The password is wrong.")

    # -- tokens -----------------------------------------------------------------------------------------------------

    async def refresh(self, refresh_token: str) -> Tokens:
        """A new pair; the old refresh token works no more, and using it again ends the sign-in (somebody has a
        copy)."""
        if self.supabase is not None:
            return await self._foreign_tokens(await self.supabase.refresh(refresh_token))
        claims = self._signer.decode(refresh_token, REFRESH)
        now, token_id = self._clock.now(), new_id()
        renewed = await self._store.renew_sign_in(
            claims.sign_in_id, claims.token_id, token_id, now + self._config.jwt.refresh_expiry, now
        )
        if renewed is None:
            raise NotAuthenticated
        return await self._tokens(renewed, await self._store.get_user_by_id(renewed.user_id))

    async def sign_out(self, caller: Caller) -> None:
        if caller.supabase is not None and self.supabase is not None:
            for token_id in caller.supabase.token_ids:
                await self._store.revoke_token(token_id, caller.supabase.expires_at)
            await self.supabase.sign_out(caller.token)
        await self._store.close_sign_in(caller.sign_in_id)

    async def forget_account(self, caller: Caller) -> None:
        """After an erasure: what is not in the store. A Supabase account is removed there, too."""
        if caller.supabase is not None and self.supabase is not None:
            await self.sign_out(caller)
            await self.supabase.remove(caller.supabase.subject)

    def verify_jwt_token(self, token: str) -> TokenClaims:
        """An access token of our own. Raises NotAuthenticated; whether it is signed out is not asked here."""
        return self._signer.decode(token, ACCESS)

    async def verify_supabase_token(self, token: str) -> SupabaseClaims:
        """Raises NotAuthenticated, also where Supabase is not configured and for what was signed out here."""
        if self.supabase is None:
            raise NotAuthenticated
        claims = await self.supabase.verify(token)
        if await self._store.is_token_revoked(claims.token_ids):
            raise NotAuthenticated
        return claims

    async def get_current_user_from_token(self, token: str) -> User:
        """Of an access token, ours or Supabase's. Raises NotAuthenticated."""
        return (await self.caller_of(token)).user

    async def caller_of(self, token: str) -> Caller:
        if self.supabase is not None:
            claims = await self.verify_supabase_token(token)
            return Caller(await self._supabase_user(claims), supabase=claims, token=token)
        own = self.verify_jwt_token(token)
        # Both at once; who was joined to somebody else since the token was made is read again.
        sign_in, user = await asyncio.gather(
            self._store.get_sign_in(own.sign_in_id, self._clock.now()), self._user(own.user_id)
        )
        if sign_in is None:
            raise NotAuthenticated
        if user is None or user.id != sign_in.user_id:
            user = await self._store.get_user_by_id(sign_in.user_id)
        return Caller(user, sign_in_id=sign_in.id)

    async def caller_of_key(self, key: str) -> Caller:
        """Raises NotAuthenticated for a key that is unknown, revoked or over."""
        found = await self._store.use_api_key(key_hash(key), self._clock.now())
        if found is None:
            raise NotAuthenticated
        return Caller(await self._store.get_user_by_id(found.user_id), scopes=frozenset(found.scopes))

    def validate_user_access(self, user: User, owner_id: str) -> None:
        """Raises NotFound for what belongs to somebody else: that it exists is not revealed."""
        if user.id != owner_id:
            raise NotFound

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _user(self, user_id: UserId) -> User | None:
        try:
            return await self._store.get_user_by_id(user_id)
        except NotFound:
            return None

    async def _signed_in(self, user: User) -> Tokens:
        now = self._clock.now()
        sign_in = SignIn(new_id(), user.id, new_id(), now, now + self._config.jwt.refresh_expiry)
        await self._store.open_sign_in(sign_in)
        return await self._tokens(sign_in, user)

    async def _tokens(self, sign_in: SignIn, user: User) -> Tokens:
        life = self._config.jwt.expiry
        return Tokens(
            access_token=self._signer.encode(sign_in, ACCESS, new_id(), int(life.total_seconds())),
            refresh_token=self._signer.encode(
                sign_in, REFRESH, sign_in.token_id, int(self._config.jwt.refresh_expiry.total_seconds())
            ),
            expires_in=int(life.total_seconds()),
            user=user,
        )

    async def _foreign_tokens(self, session: SupabaseTokens) -> Tokens:
        claims = await self.verify_supabase_token(session.access_token)
        user = await self._supabase_user(claims)
        return Tokens(session.access_token, session.refresh_token, session.expires_in, user)

    async def _supabase_user(self, claims: SupabaseClaims) -> User:
        """The person of a Supabase account, made at the first sight of it. Joined accounts are found by the
        identity."""
        identity = await self._store.find_identity(SUPABASE, "", claims.subject)
        if identity is not None:
            return await self._store.get_user_by_id(identity.user_id)
        if not is_canonical_uuid(claims.subject):
            raise NotAuthenticated
        user = await self._store.create_user(claims.email or None, UserId(claims.subject))
        await self._store.add_identity(user.id, SUPABASE, "", claims.subject, "")
        return user
