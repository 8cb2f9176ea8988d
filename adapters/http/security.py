"""Who calls: passwords, tokens, API keys, and what they may do. Also the headers that protect the page."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from adapters.http.config import CorsConfig, HttpConfig, RateLimitConfig
from adapters.http.limiter import RateLimiter
from adapters.http.supabase import SupabaseAuth, SupabaseClaims, SupabaseTokens
from core.errors import Forbidden, NotAuthenticated, NotFound
from core.ports import Clock, Store
from core.ports.accounts import ApiKey, SignIn
from core.types import PlatformName, User, UserId, is_canonical_uuid, new_id

__all__ = ["APIKeyAuth", "Caller", "CurrentUser", "RateLimitConfig", "SecurityService"]

ISSUER = "memorychat"
AUDIENCE = "memorychat-api"
ACCESS, REFRESH = "access", "refresh"
SUPABASE = PlatformName("supabase")
KEY_PREFIX = "mck_"
HASHES_AT_ONCE = 2
"""A password's hash takes 64 MiB and a core for a moment; more at once would only take turns."""

READ, WRITE, CHAT, EXPORT = "read", "write", "chat", "export"
SCOPES = (READ, WRITE, CHAT, EXPORT)
"""What an API key can be allowed."""
SIGNED_IN = "signed_in"
"""What no API key can: the account itself."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What one of our own tokens says: the sign-in it belongs to, and its own id."""

    user_id: UserId
    sign_in_id: str
    token_id: str


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
        claims = self._decode(refresh_token, REFRESH)
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
        return self._decode(token, ACCESS)

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
            access_token=self._encode(sign_in, ACCESS, new_id(), int(life.total_seconds())),
            refresh_token=self._encode(
                sign_in, REFRESH, sign_in.token_id, int(self._config.jwt.refresh_expiry.total_seconds())
            ),
            expires_in=int(life.total_seconds()),
            user=user,
        )

    def _encode(self, sign_in: SignIn, kind: str, token_id: str, seconds: int) -> str:
        now = int(self._clock.now().timestamp())
        claims: dict[str, str | int] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": sign_in.user_id,
            "sid": sign_in.id,
            "jti": token_id,
            "typ": kind,
            "iat": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._config.jwt.secret, algorithm=self._config.jwt.algorithm)

    def _decode(self, token: str, kind: str) -> TokenClaims:
        try:
            claims = jwt.decode(
                token,
                self._config.jwt.secret,
                algorithms=[self._config.jwt.algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The time is compared below, by the same clock that set it.
                options={"require": ["exp", "sub", "sid", "jti", "typ"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated from None
        expires_at = claims["exp"]
        if claims["typ"] != kind or not isinstance(expires_at, int) or expires_at <= self._clock.now().timestamp():
            raise NotAuthenticated
        return TokenClaims(UserId(str(claims["sub"])), str(claims["sid"]), str(claims["jti"]))

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


def key_hash(key: str) -> str:
    """How an API key is stored. It is random and long, so that a plain hash is enough."""
    return hashlib.sha256(f"api-key:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def make_api_key(user_id: UserId, name: str, scopes: Sequence[str], clock: Clock) -> tuple[str, ApiKey]:
    """The key, to be shown once, and what is stored of it besides its hash."""
    return KEY_PREFIX + secrets.token_urlsafe(32), ApiKey(new_id(), user_id, name, tuple(scopes), clock.now())


class APIKeyAuth(APIKeyHeader):
    """API keys come in `X-API-Key`."""

    def __init__(self) -> None:
        super().__init__(name="X-API-Key", auto_error=False, description="Made by `memorychat api-key new`")


_bearer = HTTPBearer(auto_error=False, description="The access token of `/auth/login`")
_api_key = APIKeyAuth()
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Key = Annotated[str | None, Depends(_api_key)]


def security_of(request: Request) -> SecurityService:
    service: SecurityService = request.app.state.security
    return service


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def get_caller(request: Request, wanted: SecurityScopes, bearer: Bearer, api_key: Key) -> Caller:
    """Who calls, when they may: signed in, or by an API key with every wanted scope.

    Raises NotAuthenticated, Forbidden (scope), LimitReached.
    """
    security = security_of(request)
    await security.limiter.hit(security.limiter.address, "address", address_of(request))
    if bearer is not None:
        caller = await security.caller_of(bearer.credentials)
    elif api_key:
        caller = await security.caller_of_key(api_key)
    else:
        raise NotAuthenticated
    if caller.scopes is not None and not caller.scopes.issuperset(wanted.scopes):
        raise Forbidden(user_message="This API key may not do that.")
    await security.limiter.hit(security.limiter.user, "user", caller.user.id)
    return caller


async def get_current_user(caller: Annotated[Caller, Depends(get_caller)]) -> User:
    return caller.user


async def get_current_user_optional(request: Request, bearer: Bearer, api_key: Key) -> User | None:
    """None without credentials, and with such as do not work."""
    try:
        return (await get_caller(request, SecurityScopes(), bearer, api_key)).user
    except NotAuthenticated:
        return None


async def verify_user_access(user_id: str, request: Request, user: Annotated[User, Depends(get_current_user)]) -> User:
    """For routes with a `user_id` in their path. Raises NotFound for somebody else's."""
    security_of(request).validate_user_access(user, user_id)
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


def get_cors_config(config: CorsConfig) -> dict[str, Any]:
    """The arguments of Starlette's CORSMiddleware."""
    return {
        "allow_origins": list(config.origins),
        "allow_credentials": config.credentials,
        "allow_methods": list(config.methods),
        "allow_headers": list(config.headers),
        "expose_headers": ["Retry-After", "X-Request-ID"],
    }


def get_security_headers(*, behind_tls: bool) -> dict[str, str]:
    """Of every answer. HSTS only where the page is reached by TLS, for it locks plain HTTP out for a year."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if behind_tls:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers
