"""Signing up, in and out; tokens that are refreshed, reused, forged."""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Annotated

import httpx2
import jwt
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import Mount

from adapters.http.api_keys import key_hash as hash_of_key
from adapters.http.api_keys import make_api_key
from adapters.http.callers import CurrentUser, get_current_user_optional, verify_user_access
from adapters.http.config import JwtConfig, RateLimitConfig
from adapters.http.errors import add_error_handlers
from core.types import User, UserId, new_id
from tests.contracts.http.conftest import PASSWORD, Builder, Client, Site

SECRET = "s" * 64


async def test_signing_up_makes_a_person_with_a_default_profile(site: Site) -> None:
    ana = await site.visitor()
    answer = await ana.send("POST", "/auth/signup", {"email": "ana@example.org", "password": PASSWORD})
    assert answer.status_code == 201
    body = answer.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 900
    assert body["user"]["email"] == "ana@example.org"
    ana.take(body)
    profiles = await ana.ok("GET", "/memory-profiles")
    assert [(item["name"], item["is_default"]) for item in profiles] == [("personal", True)]
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("email", ["ANA@example.org", "ana@EXAMPLE.org", "Ａna@example.org", " ana@example.org "])
async def test_one_address_is_one_account_however_it_is_written(site: Site, email: str) -> None:
    await site.person("ana")
    answer = await (await site.visitor()).send("POST", "/auth/signup", {"email": email, "password": PASSWORD})
    assert answer.status_code in (409, 422)
    assert len([user for user in [await site.services.store.get_user_by_email("ana@example.org")] if user]) == 1


async def test_composed_and_decomposed_addresses_are_the_same(site: Site) -> None:
    first = await site.visitor()
    one = await first.send("POST", "/auth/signup", {"email": "jose\u0301@example.org", "password": PASSWORD})
    two = await first.send("POST", "/auth/signup", {"email": "jos\u00e9@example.org", "password": PASSWORD})
    assert (one.status_code, two.status_code) == (201, 409)
    assert two.json() == {"detail": "There is an account with that e-mail address already.", "code": "conflict"}


async def test_signing_in_tells_nothing_about_who_has_an_account(site: Site) -> None:
    ana = await site.person("ana")
    wrong = await ana.send("POST", "/auth/login", {"email": ana.email, "password": "not the password"})
    unknown = await ana.send("POST", "/auth/login", {"email": "eve@example.org", "password": "not the password"})
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert wrong.status_code == 401


async def test_a_wrong_address_takes_as_long_as_a_wrong_password(build_site: Builder) -> None:
    site = await build_site(password_memory=65_536)
    ana = await site.person("ana")

    async def seconds(email: str) -> float:
        began = time.perf_counter()
        await ana.send("POST", "/auth/login", {"email": email, "password": "not the password"})
        return time.perf_counter() - began

    # The least of several tries: what the machine does besides only ever adds.
    known = min([await seconds(ana.email) for _ in range(4)])
    unknown = min([await seconds("eve@example.org") for _ in range(4)])
    assert 0.4 < unknown / known < 2.5


async def test_a_refresh_token_works_once_and_its_reuse_signs_out(site: Site) -> None:
    ana = await site.person("ana")
    first = ana.refresh
    ana.take(await ana.ok("POST", "/auth/refresh", {"refresh_token": first}))
    assert ana.refresh != first
    await ana.ok("GET", "/auth/me")
    thief = await site.visitor()
    assert (await thief.send("POST", "/auth/refresh", {"refresh_token": first})).status_code == 401
    assert (await ana.send("GET", "/auth/me")).status_code == 401
    assert (await ana.send("POST", "/auth/refresh", {"refresh_token": ana.refresh})).status_code == 401


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(site: Site) -> None:
    ana = await site.person("ana")
    assert (await ana.send("POST", "/auth/refresh", {"refresh_token": ana.access})).status_code == 401
    ana.access = ana.refresh
    assert (await ana.send("GET", "/auth/me")).status_code == 401


async def test_signing_out_ends_both_tokens_at_once(site: Site) -> None:
    ana = await site.person("ana")
    phone = await site.visitor()
    phone.take(await phone.ok("POST", "/auth/login", {"email": ana.email, "password": PASSWORD}))
    await ana.ok("POST", "/auth/logout")
    assert (await ana.send("GET", "/auth/me")).status_code == 401
    assert (await ana.send("POST", "/auth/refresh", {"refresh_token": ana.refresh})).status_code == 401
    await phone.ok("GET", "/auth/me")


async def test_tokens_end_with_their_time(site: Site) -> None:
    ana = await site.person("ana")
    site.town.clock.advance(901)
    assert (await ana.send("GET", "/auth/me")).status_code == 401
    ana.take(await ana.ok("POST", "/auth/refresh", {"refresh_token": ana.refresh}))
    await ana.ok("GET", "/auth/me")
    site.town.clock.advance(timedelta(days=31).total_seconds())
    assert (await ana.send("POST", "/auth/refresh", {"refresh_token": ana.refresh})).status_code == 401


def unsigned(claims: dict[str, object]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


async def test_forged_tokens_are_refused(site: Site) -> None:
    ana = await site.person("ana")
    claims = jwt.decode(ana.access, options={"verify_signature": False})
    other = {
        "no signature": unsigned(claims),
        "another key": jwt.encode(claims, "x" * 64, "HS256"),
        "another algorithm": jwt.encode(claims, SECRET, "HS512"),
        "another issuer": jwt.encode(claims | {"iss": "somebody"}, SECRET, "HS256"),
        "another audience": jwt.encode(claims | {"aud": "something"}, SECRET, "HS256"),
        "no audience": jwt.encode({k: v for k, v in claims.items() if k != "aud"}, SECRET, "HS256"),
        "no end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, SECRET, "HS256"),
        "over": jwt.encode(claims | {"exp": 1}, SECRET, "HS256"),
        "an end that is no time": jwt.encode(claims | {"exp": 1e400}, SECRET, "HS256"),
        "another sign-in": jwt.encode(claims | {"sid": new_id()}, SECRET, "HS256"),
        "changed": ana.access[:-4] + "AAAA",
        "empty": "",
        "no token": "Bearer",
        "binary": b"\x7f\x00".hex(),
    }
    for name, token in other.items():
        ana.access = token
        answer = await ana.send("GET", "/auth/me")
        assert answer.status_code == 401, name
        assert set(answer.json()) == {"detail", "code"}, name
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_sign_in_attempts_are_limited_per_account_and_address(build_site: Builder) -> None:
    site = await build_site(rate_limits=RateLimitConfig("1000/minute", "1000/minute", "3/minute"))
    ana = await site.visitor()
    body = {"email": "ana@example.org", "password": "not the password"}
    statuses = [(await ana.send("POST", "/auth/login", body)).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
    refused = await ana.send("POST", "/auth/login", {**body, "email": "eve@example.org"})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60


async def test_tries_at_one_account_are_counted_together_wherever_they_come_from(build_site: Builder) -> None:
    site = await build_site(rate_limits=RateLimitConfig("1000/minute", "1000/minute", "3/minute"))
    statuses = []
    for number, email in enumerate(["ana@example.org", "ANA@example.org", "\uff21na@example.org", "ana@EXAMPLE.org"]):
        transport = httpx2.ASGITransport(site.app, client=(f"192.0.2.{number}", 50_000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://bot.test") as http:
            body = {"email": email, "password": "not the password"}
            statuses.append((await http.post("/api/v1/auth/login", json=body)).status_code)
            other = {"email": "eve@example.org", "password": "not the password"}
            if number == 3:
                statuses.append((await http.post("/api/v1/auth/login", json=other)).status_code)
    assert statuses == [401, 401, 401, 429, 401]


async def test_what_other_routes_can_depend_on(site: Site) -> None:
    ana, eve, nobody = await site.person("ana"), await site.person("eve"), await site.visitor()
    extra = APIRouter()

    @extra.get("/whoami")
    async def whoami(user: Annotated[User | None, Depends(get_current_user_optional)]) -> str:
        return user.id if user else "nobody"

    @extra.get("/me")
    async def me(user: CurrentUser) -> str:
        return user.id

    @extra.get("/of/{user_id}")
    async def of(user: Annotated[User, Depends(verify_user_access)]) -> str:
        return user.id

    site.app.router.routes.insert(0, Mount("/extra", _with(site.app, extra)))
    for caller, name in ((ana, ana.user_id), (nobody, "nobody")):
        assert (await caller.http.get("/extra/whoami", headers=caller.headers)).json() == name
    forged = {"Authorization": "Bearer nothing"}
    assert (await nobody.http.get("/extra/whoami", headers=forged)).json() == "nobody"
    assert (await ana.http.get("/extra/me", headers=ana.headers)).json() == ana.user_id
    assert (await nobody.http.get("/extra/me")).status_code == 401
    own = f"/extra/of/{ana.user_id}"
    assert (await ana.http.get(own, headers=ana.headers)).json() == ana.user_id
    assert (await eve.http.get(own, headers=eve.headers)).status_code == 404
    assert (await nobody.http.get(own)).status_code == 401


def _with(app: FastAPI, router: APIRouter) -> FastAPI:
    """On the same parts, so that routes can be added to an app whose page answers all that is left."""
    added = FastAPI()
    added.state = app.state
    add_error_handlers(added)
    added.include_router(router)
    return added


async def test_requests_are_limited_per_person(build_site: Builder) -> None:
    site = await build_site(rate_limits=RateLimitConfig("3/minute", "1000/minute", "100/minute"))
    ana, eve = await site.person("ana"), await site.person("eve")
    statuses = [(await ana.send("GET", "/auth/me")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    await eve.ok("GET", "/auth/me")


async def test_changing_ones_details_changes_only_those(site: Site) -> None:
    ana = await site.person("ana")
    changed = await ana.ok("PATCH", "/auth/me", {"display_name": "Ana", "timezone": "Europe/Berlin"})
    assert (changed["display_name"], changed["timezone"]) == ("Ana", "Europe/Berlin")
    changed = await ana.ok("PATCH", "/auth/me", {"language": "de", "metadata": {"theme": "dark"}})
    assert changed["display_name"] == "Ana"
    assert changed["metadata"] == {"theme": "dark"}
    for wrong in (
        {"timezone": "Mars/Olympus"},
        {"language": "German"},
        {"is_admin": True},
        {"metadata": {"x": "y" * 5000}},
    ):
        assert (await ana.send("PATCH", "/auth/me", wrong)).status_code == 422


async def test_a_new_password_signs_the_other_clients_out(site: Site) -> None:
    ana = await site.person("ana")
    phone = await site.visitor()
    phone.take(await phone.ok("POST", "/auth/login", {"email": ana.email, "password": PASSWORD}))
    wrong = {"current_password": "not the password", "new_password": "another password"}
    assert (await ana.send("POST", "/auth/password", wrong)).status_code == 403
    await ana.ok("POST", "/auth/password", {**wrong, "current_password": PASSWORD})
    await ana.ok("GET", "/auth/me")
    assert (await phone.send("GET", "/auth/me")).status_code == 401
    again = await phone.send("POST", "/auth/login", {"email": ana.email, "password": PASSWORD})
    assert again.status_code == 401
    await phone.ok("POST", "/auth/login", {"email": ana.email, "password": "another password"})


@pytest.mark.parametrize("proof", [{"password": PASSWORD}, {"confirmation": "DELETE EVERYTHING"}])
async def test_erasing_oneself_leaves_nothing_and_gives_a_receipt(site: Site, proof: dict[str, str]) -> None:
    ana = await site.person("ana")
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    await ana.ok("POST", f"/memory-profiles/{profile}/memories", {"content": "My dog is called Rex."})
    session = (await ana.ok("POST", "/sessions", {}))["id"]
    await ana.ok("POST", "/chat", {"session_id": session, "message": "I live in Lisbon."})
    receipt = await ana.ok("DELETE", "/auth/me", proof)
    assert receipt["verified"]
    assert receipt["removed"]["memories"] == 2
    assert (await ana.send("GET", "/auth/me")).status_code == 401
    gone = await ana.send("POST", "/auth/login", {"email": ana.email, "password": PASSWORD})
    assert gone.status_code == 401
    assert await site.services.store.get_user_by_email(ana.email) is None
    assert (await site.person("ana")).user_id != ana.user_id


async def test_erasing_needs_the_password_or_the_words(site: Site) -> None:
    ana = await site.person("ana")
    assert (await ana.send("DELETE", "/auth/me", {"password": "not the password"})).status_code == 403
    for wrong in (
        {},
        {"confirmation": "delete everything"},
        {"password": PASSWORD, "confirmation": "DELETE EVERYTHING"},
    ):
        assert (await ana.send("DELETE", "/auth/me", wrong)).status_code == 422
    await ana.ok("GET", "/auth/me")


async def api_key(site: Site, owner: Client, *scopes: str) -> str:
    key, stored = make_api_key(UserId(owner.user_id), "job", scopes, site.town.clock)
    await site.services.store.create_api_key(stored, hash_of_key(key))
    return key


async def test_an_api_key_may_do_what_it_was_made_for(site: Site) -> None:
    ana = await site.person("ana")
    service = await site.visitor()
    headers = {"X-API-Key": await api_key(site, ana, "read")}
    me = await service.ok("GET", "/auth/me", headers=headers)
    assert me["email"] == ana.email
    refused = await service.send("POST", "/memory-profiles", {"name": "work"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    for path in ("/auth/logout", "/link-codes"):
        assert (await service.send("POST", path, headers=headers)).status_code == 403
    keys = await site.services.store.get_api_keys(UserId(ana.user_id))
    assert keys[0].last_used_at is not None
    await site.services.store.revoke_api_key(keys[0].id)
    assert (await service.send("GET", "/auth/me", headers=headers)).status_code == 401
    unknown = {"X-API-Key": "mck_nothing"}
    assert (await service.send("GET", "/auth/me", headers=unknown)).status_code == 401


async def test_the_secret_of_another_instance_signs_nothing_here(build_site: Builder) -> None:
    here = await build_site()
    ana = await here.person("ana")
    there = await build_site(jwt=JwtConfig("t" * 64))
    stranger = await there.visitor()
    stranger.access = ana.access
    assert (await stranger.send("GET", "/auth/me")).status_code == 401
