"""Supabase Auth: signing up and in there, and verifying its tokens here (facts: its own check takes a wrong issuer, a
wrong audience and anonymous tokens)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import jwt
from supabase_auth import AsyncGoTrueClient
from supabase_auth.errors import AuthError
from supabase_auth.types import AuthResponse

from adapters.http.config import SupabaseConfig
from core.errors import Conflict, LimitReached, NotAuthenticated, StoreUnavailable

ALGORITHMS = ["ES256", "RS256"]
LEGACY = "HS256"
AUDIENCE = "authenticated"
REQUIRED = ["exp", "sub", "aud", "iss", "role"]
KEYS_LIFE = 600.0
"""Seconds that the project's keys are used without asking again."""
UNKNOWN_LIFE = 60.0
"""Seconds that an unknown key id is refused without asking, and the least time between two askings."""
MAX_UNKNOWN = 1_000
TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class SupabaseClaims:
    """`token_ids` are what a sign-out revokes: the Supabase session, else this token alone."""

    subject: str
    email: str
    expires_at: datetime
    token_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SupabaseTokens:
    access_token: str
    refresh_token: str
    expires_in: int


class SupabaseAuth:
    """Each call has a client of its own, because signing somebody in changes what a client is authorised for."""

    def __init__(self, config: SupabaseConfig) -> None:
        self._config = config
        self._issuer = f"{config.url.rstrip('/')}/auth/v1"
        self._keys = KeySet(f"{self._issuer}/.well-known/jwks.json")

    async def sign_up(self, email: str, password: str) -> SupabaseTokens:
        """Raises Conflict where the address is taken, or has to be confirmed by mail before the first sign-in."""
        try:
            answer = await self._call(
                lambda client: client.sign_up({"email": email, "password": password, "options": {}})
            )
        except NotAuthenticated:
            raise Conflict(user_message="Signing up with that address or password is not possible.") from None
        if answer.session is None:
            raise Conflict(user_message="Please confirm your e-mail address with the mail just sent, then sign in.")
        return _tokens(answer)

    async def sign_in(self, email: str, password: str) -> SupabaseTokens:
        return _tokens(
            await self._call(
                lambda client: client.sign_in_with_password({"email": email, "password": password, "options": {}})
            )
        )

    async def refresh(self, refresh_token: str) -> SupabaseTokens:
        return _tokens(await self._call(lambda client: client.refresh_session(refresh_token)))

    async def sign_out(self, access_token: str) -> None:
        """There too; here the token is revoked already, so that a failure may be left."""
        try:
            async with self._client() as client:
                await client.admin.sign_out(access_token, "local")
        except (AuthError, StoreUnavailable):
            return

    async def remove(self, subject: str) -> None:
        """The account itself, where the service key is set. Raises StoreUnavailable."""
        if not self._config.service_key:
            return
        async with self._client(self._config.service_key) as client:
            try:
                await client.admin.delete_user(subject)
            except AuthError:
                raise StoreUnavailable("supabase") from None

    async def verify(self, token: str) -> SupabaseClaims:
        """Raises NotAuthenticated, and StoreUnavailable when the project's keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
            key, algorithms = await self._key(header)
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=5,
                options={"require": REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise NotAuthenticated from None
        if claims["role"] != "authenticated" or claims.get("is_anonymous"):
            raise NotAuthenticated
        ids = [str(claims[name]) for name in ("session_id", "jti") if claims.get(name)]
        return SupabaseClaims(
            subject=str(claims["sub"]),
            email=str(claims.get("email") or ""),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
            token_ids=tuple(f"supabase:{item}" for item in ids),
        )

    async def _key(self, header: dict[str, Any]) -> tuple[Any, list[str]]:
        if header.get("alg") == LEGACY and self._config.jwt_secret:
            return self._config.jwt_secret, [LEGACY]
        if header.get("alg") not in ALGORITHMS:
            raise NotAuthenticated
        key = await self._keys.find(str(header.get("kid")))
        # The key says what it is for, so that a token cannot choose.
        if key is None or key.algorithm_name not in ALGORITHMS:
            raise NotAuthenticated
        return key.key, [key.algorithm_name]

    async def _call(self, work: Callable[[AsyncGoTrueClient], Awaitable[AuthResponse]]) -> AuthResponse:
        async with self._client() as client:
            return await work(client)

    @asynccontextmanager
    async def _client(self, key: str = "") -> AsyncIterator[AsyncGoTrueClient]:
        key = key or self._config.key
        client = AsyncGoTrueClient(
            url=self._issuer,
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            auto_refresh_token=False,
            persist_session=False,
        )
        try:
            yield client
        except AuthError as error:
            raise _mapped(error) from None
        finally:
            await client.close()


class KeySet:
    """The project's public keys, asked for when they are old or a key id is new, and not more often than once a
    while."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._unknown: dict[str, float] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        async with self._lock:
            now = time.monotonic()
            if key_id in self._keys and now - self._asked < KEYS_LIFE:
                return self._keys[key_id]
            if now - self._unknown.get(key_id, float("-inf")) < UNKNOWN_LIFE:
                return None
            if key_id not in self._keys and self._keys and now - self._asked < UNKNOWN_LIFE:
                return None
            await self._ask(now)
            if key_id not in self._keys:
                if len(self._unknown) >= MAX_UNKNOWN:
                    self._unknown.clear()
                self._unknown[key_id] = now
            return self._keys.get(key_id)

    async def _ask(self, now: float) -> None:
        try:
            async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(self._url) as answer:
                answer.raise_for_status()
                keys = (await answer.json())["keys"]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            if not self._keys:
                raise StoreUnavailable("supabase keys") from None
            return
        self._asked = now
        usable = (_parsed(item) for item in keys if isinstance(item, dict))
        self._keys = {key.key_id: key for key in usable if key is not None and key.key_id}


def _parsed(item: dict[str, Any]) -> jwt.PyJWK | None:
    try:
        return jwt.PyJWK.from_dict(item)
    except jwt.PyJWTError:
        return None


def _tokens(answer: AuthResponse) -> SupabaseTokens:
    if answer.session is None:
        raise NotAuthenticated
    return SupabaseTokens(answer.session.access_token, answer.session.refresh_token, answer.session.expires_in)


def _mapped(error: AuthError) -> Exception:
    status = getattr(error, "status", 0) or 0
    if status == 429:
        return LimitReached(retry_after=60)
    if 400 <= status < 500:
        return NotAuthenticated(user_message="E-mail address or password is wrong.")
    return StoreUnavailable("supabase")
