"""Supabase Auth against a local server with real keys: which tokens pass, and how often the keys are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.clock import ManualClock
from adapters.http.config import HttpConfig, JwtConfig, SupabaseConfig
from adapters.http.security import SecurityService
from adapters.http.supabase import SupabaseAuth
from adapters.stores.memory import MemoryStore
from core.errors import Conflict, LimitReached, NotAuthenticated, StoreUnavailable
from core.types import new_id

PASSWORD = "correct horse battery"
LEGACY = "l" * 64


@dataclass
class Project:
    """What a Supabase project answers on its auth routes."""

    url: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    people: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    status: int = 200
    confirms_by_mail: bool = False
    removed: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    def claims(self, **changes: object) -> dict[str, object]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": self.people.get("ana@example.org", "7f0c3c53-9d43-4f5e-9d7e-0f5c8a0f3f11"),
            "email": "ana@example.org",
            "session_id": new_id(),
            "iat": now,
            "exp": now + 600,
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, key: object = None, algorithm: str = "ES256", kid: str = "one", **changes: object) -> str:
        return jwt.encode(self.claims(**changes), key or self.key, algorithm, headers={"kid": kid})

    async def keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.status != 200:
            return web.Response(status=self.status)
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        broken = {"kty": "nonsense", "kid": "broken"}
        return web.json_response({"keys": [broken, {**public, "kid": "one", "alg": "ES256", "use": "sig"}]})

    async def sign_up(self, request: web.Request) -> web.Response:
        if self.status != 200:
            return web.json_response({"msg": "no"}, status=self.status)
        body = await request.json()
        if body["email"] in self.people:
            return web.json_response({"code": 422, "msg": "User already registered"}, status=422)
        self.people[body["email"]] = new_id()
        if self.confirms_by_mail:
            return web.json_response(self._user(body["email"]))
        return web.json_response(self._session(body["email"]))

    async def token_route(self, request: web.Request) -> web.Response:
        if self.status != 200:
            return web.json_response({"msg": "no"}, status=self.status)
        body = await request.json()
        if request.query["grant_type"] == "refresh_token":
            known = body["refresh_token"] == "refresh-1"
            return web.json_response(self._session("ana@example.org")) if known else self._refused()
        known = body["email"] in self.people and body["password"] == PASSWORD
        return web.json_response(self._session(body["email"])) if known else self._refused()

    async def sign_out(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def remove(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer sb_secret_key"
        self.removed.append(request.match_info["id"])
        return web.json_response({})

    def _refused(self) -> web.Response:
        return web.json_response({"code": 400, "msg": "Invalid login credentials"}, status=400)

    def _user(self, email: str) -> dict[str, object]:
        now = "2026-11-22T12:00:00Z"
        return {
            "id": self.people[email],
            "aud": "authenticated",
            "role": "authenticated",
            "email": email,
            "app_metadata": {},
            "user_metadata": {},
            "created_at": now,
            "updated_at": now,
        }

    def _session(self, email: str) -> dict[str, object]:
        return {
            "access_token": self.token(sub=self.people[email], email=email),
            "refresh_token": "refresh-1",
            "expires_in": 600,
            "token_type": "bearer",
            "user": self._user(email),
        }


@pytest.fixture
async def project() -> AsyncIterator[Project]:
    made = Project()
    app = web.Application()
    app.router.add_get("/auth/v1/.well-known/jwks.json", made.keys)
    app.router.add_post("/auth/v1/signup", made.sign_up)
    app.router.add_post("/auth/v1/token", made.token_route)
    app.router.add_post("/auth/v1/logout", made.sign_out)
    app.router.add_delete("/auth/v1/admin/users/{id}", made.remove)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def auth(project: Project) -> SupabaseAuth:
    return SupabaseAuth(SupabaseConfig(project.url, "sb_publishable_key", "sb_secret_key"))


@pytest.fixture
def security(auth: SupabaseAuth) -> SecurityService:
    config = HttpConfig(jwt=JwtConfig("s" * 64), password_memory=64)
    clock = ManualClock()
    return SecurityService(config, MemoryStore(clock), clock, auth)


async def test_a_token_of_the_project_passes(project: Project, auth: SupabaseAuth) -> None:
    claims = await auth.verify(project.token(session_id="s-1", jti="t-1"))
    assert claims.email == "ana@example.org"
    assert claims.token_ids == ("supabase:s-1", "supabase:t-1")
    await auth.verify(project.token())
    assert project.asked == 1


async def test_every_other_token_is_refused(project: Project, auth: SupabaseAuth) -> None:
    others = {
        "issuer": project.token(iss="https://evil.example/auth/v1"),
        "audience": project.token(aud="other"),
        "role anon": project.token(role="anon"),
        "role service": project.token(role="service_role"),
        "no role": project.token(role=None),
        "anonymous": project.token(is_anonymous=True),
        "over": project.token(exp=int(time.time()) - 60),
        "no end": project.token(exp=None),
        "another key": project.token(ec.generate_private_key(ec.SECP256R1())),
        "another kind of key": project.token(rsa.generate_private_key(65537, 2048), "RS256"),
        "symmetric": project.token("x" * 64, "HS256"),
        "unsigned": jwt.encode(project.claims(), None, "none", headers={"kid": "one"}),
        "nonsense": "a.b.c",
        "empty": "",
    }
    passed = []
    for name, token in others.items():
        with suppress(NotAuthenticated):
            await auth.verify(token)
            passed.append(name)
    assert passed == []


async def test_unknown_key_ids_do_not_make_it_ask_each_time(project: Project, auth: SupabaseAuth) -> None:
    for number in range(20):
        with pytest.raises(NotAuthenticated):
            await auth.verify(project.token(kid=f"unknown-{number}"))
    await auth.verify(project.token())
    assert project.asked <= 2


async def test_old_projects_sign_with_their_secret_when_it_is_set(project: Project) -> None:
    legacy = SupabaseAuth(SupabaseConfig(project.url, "key", jwt_secret=LEGACY))
    assert (await legacy.verify(project.token(LEGACY, "HS256"))).email == "ana@example.org"
    with pytest.raises(NotAuthenticated):
        await legacy.verify(project.token("x" * 64, "HS256"))
    assert project.asked == 0


async def test_without_the_keys_nobody_is_refused_for_good(project: Project, auth: SupabaseAuth) -> None:
    project.status = 500
    with pytest.raises(StoreUnavailable):
        await auth.verify(project.token())
    project.status = 200
    await auth.verify(project.token())


async def test_signing_up_and_in_makes_one_person(project: Project, security: SecurityService) -> None:
    up = await security.sign_up("ana@example.org", PASSWORD)
    assert up.user.id == project.people["ana@example.org"]
    back = await security.sign_in("ana@example.org", PASSWORD)
    renewed = await security.refresh(back.refresh_token)
    assert {back.user.id, renewed.user.id} == {up.user.id}
    assert (await security.get_current_user_from_token(renewed.access_token)).email == "ana@example.org"
    for email, password in (("ana@example.org", "wrong"), ("eve@example.org", PASSWORD)):
        with pytest.raises(NotAuthenticated):
            await security.sign_in(email, password)
    with pytest.raises(NotAuthenticated):
        await security.refresh("refresh-0")
    with pytest.raises(Conflict):
        await security.sign_up("ana@example.org", PASSWORD)


async def test_an_address_to_be_confirmed_is_said_so(project: Project, security: SecurityService) -> None:
    project.confirms_by_mail = True
    with pytest.raises(Conflict) as caught:
        await security.sign_up("ana@example.org", PASSWORD)
    assert "confirm" in caught.value.user_message


async def test_signing_out_ends_the_token_here_at_once(project: Project, security: SecurityService) -> None:
    tokens = await security.sign_up("ana@example.org", PASSWORD)
    caller = await security.caller_of(tokens.access_token)
    await security.sign_out(caller)
    with pytest.raises(NotAuthenticated):
        await security.caller_of(tokens.access_token)


async def test_an_erased_account_is_removed_there_too(project: Project, security: SecurityService) -> None:
    tokens = await security.sign_up("ana@example.org", PASSWORD)
    caller = await security.caller_of(tokens.access_token)
    await security.forget_account(caller)
    assert project.removed == [project.people["ana@example.org"]]
    with pytest.raises(NotAuthenticated):
        await security.caller_of(tokens.access_token)


async def test_a_project_that_is_busy_or_away_is_said_so(project: Project, security: SecurityService) -> None:
    project.status = 429
    with pytest.raises(LimitReached):
        await security.sign_in("ana@example.org", PASSWORD)
    project.status = 503
    with pytest.raises(StoreUnavailable):
        await security.sign_in("ana@example.org", PASSWORD)
