"""Who may call what: every route of the app × everybody. A route that has no row here fails."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import jwt
import pytest
from fastapi import APIRouter, FastAPI

from adapters.http.api_keys import SCOPES, key_hash, make_api_key
from adapters.http.app import create_app
from adapters.http.routes import API
from core.types import UserId, new_id
from tests.contracts.http.conftest import PASSWORD, Builder, Client, Site

SECRET = "s" * 64
SIGNED_IN = "signed in"
"""What no API key may, whatever its scopes."""


@dataclass(frozen=True)
class Row:
    """`scope` is what an API key needs. `status` is what the owner gets. `owned`: its ids belong to somebody, so that
    another person gets 404; what is not is about the caller alone, and another person gets what their own is."""

    scope: str
    status: int = 200
    body: dict[str, object] | None = None
    owned: bool = False


OPEN = {
    ("POST", "/api/v1/auth/signup"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    # The platforms' own signatures are checked by their adapters.
    ("POST", "/webhooks/{platform}"),
    ("POST", "/webhooks/{platform}/{rest:path}"),
}
HELLO: dict[str, object] = {"session_id": "{session_id}", "message": "Hello"}
ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/auth/me"): Row("read"),
    ("PATCH", "/auth/me"): Row(SIGNED_IN, body={}),
    ("POST", "/auth/password"): Row(SIGNED_IN, body={"current_password": PASSWORD, "new_password": "another word"}),
    ("GET", "/memory-profiles"): Row("read"),
    ("POST", "/memory-profiles"): Row("write", 201, {"name": "job"}),
    ("GET", "/memory-profiles/{profile_id}"): Row("read", owned=True),
    ("PUT", "/memory-profiles/{profile_id}"): Row("write", body={}, owned=True),
    ("POST", "/memory-profiles/{profile_id}/set-default"): Row("write", owned=True),
    ("GET", "/memory-profiles/{profile_id}/shares"): Row("read", owned=True),
    ("POST", "/memory-profiles/{profile_id}/shares"): Row(
        SIGNED_IN, 201, {"conversation_id": "{conversation_id}"}, owned=True
    ),
    ("DELETE", "/memory-profiles/{profile_id}/shares/{conversation_id}"): Row(SIGNED_IN, 204, owned=True),
    ("GET", "/memory-profiles/{profile_id}/memories"): Row("read", owned=True),
    ("POST", "/memory-profiles/{profile_id}/memories"): Row("write", 201, {"content": "I like tea."}, owned=True),
    ("POST", "/memory-profiles/{profile_id}/search"): Row("read", body={"query": "tea"}, owned=True),
    ("POST", "/memory-profiles/{profile_id}/copy"): Row(
        "write", body={"target_profile_id": "{other_profile_id}"}, owned=True
    ),
    ("PATCH", "/memories/{memory_id}"): Row("write", body={"content": "I like green tea."}, owned=True),
    ("DELETE", "/memories/{memory_id}"): Row("write", owned=True),
    ("GET", "/sessions"): Row("read"),
    ("POST", "/sessions"): Row("chat", 201, {}),
    ("GET", "/sessions/{session_id}"): Row("read", owned=True),
    ("PUT", "/sessions/{session_id}"): Row("chat", body={}, owned=True),
    ("GET", "/sessions/{session_id}/messages"): Row("read", owned=True),
    ("GET", "/sessions/{session_id}/summary"): Row("read", owned=True),
    ("POST", "/sessions/{session_id}/stop"): Row("chat", owned=True),
    ("POST", "/chat"): Row("chat", body=HELLO, owned=True),
    ("POST", "/chat/stream"): Row("chat", body=HELLO, owned=True),
    ("DELETE", "/sessions/{session_id}"): Row("chat", 204, owned=True),
    ("DELETE", "/memory-profiles/{profile_id}"): Row("write", owned=True),
    ("GET", "/linked-accounts"): Row("read"),
    ("POST", "/link-codes"): Row(SIGNED_IN, 201),
    ("POST", "/link-codes/redeem"): Row(SIGNED_IN, body={"code": "{code}"}),
    ("POST", "/link-codes/confirm"): Row(SIGNED_IN, body={"token": "{token}"}, owned=True),
    ("DELETE", "/linked-accounts/{account_id}"): Row(SIGNED_IN, 204, owned=True),
    ("GET", "/rooms"): Row("read"),
    ("GET", "/usage"): Row("read"),
    ("GET", "/export"): Row("export"),
    ("POST", "/auth/logout"): Row(SIGNED_IN),
    ("DELETE", "/auth/me"): Row(SIGNED_IN, body={"confirmation": "DELETE EVERYTHING"}),
}
"""In an order in which one person can do all of it, who leaves at the end."""


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """What the application answers, whether it is in the document or not; not the page's files and the document."""
    found = set()
    for route in app.routes:
        routers = route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]
        for item in routers:
            path, methods = getattr(item, "path", ""), getattr(item, "methods", None) or ()
            found |= {(method, path) for method in methods if path != f"{API}/openapi.json"}
    documented = app.openapi()["paths"]
    return found | {(method.upper(), path) for path, operations in documented.items() for method in operations}


def filled(value: object, ids: dict[str, str]) -> object:
    """`{name}` as the id of that name, an unknown one where there is none."""
    if isinstance(value, dict):
        return {key: filled(item, ids) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    for name in ("profile_id", "other_profile_id", "memory_id", "session_id", "account_id", "conversation_id", "token"):
        value = value.replace(f"{{{name}}}", ids.get(name) or new_id())
    return value.replace("{code}", ids.get("code", "ABCDE-FGHJK"))


async def ask(client: Client, operation: tuple[str, str], ids: dict[str, str]) -> int:
    method, path = operation
    answer = await client.send(method, str(filled(path, ids)), filled(ROWS[operation].body, ids))
    return answer.status_code


async def belongings(site: Site, ana: Client) -> dict[str, str]:
    """Of everything one, so that only who asks decides."""
    room = site.town.room("team")
    await site.town.person("ana").says("I ride a blue bicycle.")
    await _joined(site, ana, "ana")
    await site.town.person("ana", room).says("I say this in front of all.")
    await site.town.person("ana", room).says("/profile share personal")
    # As the joined person.
    ana.user_id = (await ana.ok("GET", "/auth/me"))["id"]
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    memory = await ana.ok("POST", f"/memory-profiles/{profile}/memories", {"content": "I live in Lisbon."})
    session = await ana.ok("POST", "/sessions", {})
    ids = {"profile_id": profile, "other_profile_id": work, "memory_id": memory["id"], "session_id": session["id"]}
    ids["conversation_id"] = (await ana.ok("GET", f"/memory-profiles/{profile}/shares"))[0]["conversation_id"]
    ids["account_id"] = (await ana.ok("GET", "/linked-accounts"))[0]["id"]
    chat = site.town.person("bo")
    await chat.says("Hello there.")
    ids["token"] = (await ana.ok("POST", "/link-codes/redeem", {"code": await _code(site, "bo")}))["token"]
    await site.town.person("cy").says("Hello there.")
    ids["code"] = await _code(site, "cy")
    return ids


async def _code(site: Site, name: str) -> str:
    return (await site.town.person(name).says("/link")).text.split("`")[1]


async def _joined(site: Site, ana: Client, name: str) -> None:
    offer = await ana.ok("POST", "/link-codes/redeem", {"code": await _code(site, name)})
    await ana.ok("POST", "/link-codes/confirm", {"token": offer["token"]})


async def test_every_route_has_a_row_and_every_row_a_route(site: Site) -> None:
    assert routes_of(site.app) == OPEN | {(method, API + path) for method, path in ROWS}


async def test_a_new_route_without_a_row_is_noticed(site: Site) -> None:
    app = create_app(site.services, site.config)
    fresh = APIRouter(prefix="/api/v1")

    @fresh.get("/secrets", include_in_schema=False)
    async def secrets() -> dict[str, str]:
        return {}

    app.include_router(fresh)
    assert routes_of(app) - routes_of(site.app) == {("GET", "/api/v1/secrets")}


async def test_the_owner_may(site: Site) -> None:
    ana = await site.person("ana")
    ids = await belongings(site, ana)
    statuses = {operation: await ask(ana, operation, ids) for operation in ROWS if operation != LAST}
    wanted = {operation: row.status for operation, row in ROWS.items() if operation != LAST}
    assert statuses == wanted


LAST = ("DELETE", "/auth/me")


async def test_the_owner_may_leave(site: Site) -> None:
    ana = await site.person("ana")
    assert await ask(ana, LAST, {}) == 200


async def test_another_person_is_told_that_it_is_not_there(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    ids = await belongings(site, ana)
    theirs = [operation for operation, row in ROWS.items() if row.owned]
    assert len(theirs) >= 20
    statuses = {operation: await ask(eve, operation, ids) for operation in theirs}
    assert statuses == dict.fromkeys(theirs, 404)
    # A body names somebody else's as well as a path does.
    own = (await eve.ok("GET", "/memory-profiles"))[0]["id"]
    copied = await eve.send("POST", f"/memory-profiles/{own}/copy", {"target_profile_id": ids["profile_id"]})
    assert copied.status_code == 404
    shared = await eve.send("POST", f"/memory-profiles/{own}/shares", {"conversation_id": ids["conversation_id"]})
    assert shared.status_code == 404
    assert await eve.ok("GET", "/rooms") == []
    # Nothing of it happened.
    memories = await ana.ok("GET", f"/memory-profiles/{ids['profile_id']}/memories")
    assert "I live in Lisbon." in [item["memory"] for item in memories]
    await ana.ok("GET", f"/sessions/{ids['session_id']}")
    assert await ana.ok("GET", f"/sessions/{ids['session_id']}/messages") == []
    assert len(await ana.ok("GET", f"/memory-profiles/{ids['profile_id']}/shares")) == 1
    assert len(await ana.ok("GET", "/linked-accounts")) == 1


@pytest.mark.parametrize("who", ["anonymous", "revoked", "expired", "wrong audience", "erased"])
async def test_nobody_passes_without_a_valid_token(site: Site, who: str) -> None:
    ana = await site.person("ana")
    ids = await belongings(site, ana)
    claims = jwt.decode(ana.access, options={"verify_signature": False})
    stranger = await site.visitor()
    if who == "revoked":
        stranger.access = ana.access
        await ana.ok("POST", "/auth/logout")
    elif who == "erased":
        stranger.access = ana.access
        await site.services.own.erase(UserId(ana.user_id))
    elif who == "expired":
        stranger.access = jwt.encode(claims | {"exp": 1}, SECRET, "HS256")
    elif who == "wrong audience":
        stranger.access = jwt.encode(claims | {"aud": "other"}, SECRET, "HS256")
    statuses = {operation: await ask(stranger, operation, ids) for operation in ROWS}
    assert statuses == dict.fromkeys(ROWS, 401)


async def test_an_api_key_needs_the_scope_and_never_has_the_account(site: Site) -> None:
    ana = await site.person("ana")
    ids = await belongings(site, ana)
    for lacking in SCOPES:
        key, stored = make_api_key(
            UserId(ana.user_id), lacking, [scope for scope in SCOPES if scope != lacking], site.town.clock
        )
        await site.services.store.create_api_key(stored, key_hash(key))
        service = await site.visitor()
        service.http.headers["X-API-Key"] = key
        refused = [operation for operation, row in ROWS.items() if row.scope in (lacking, SIGNED_IN)]
        statuses = {operation: await ask(service, operation, ids) for operation in refused}
        assert statuses == dict.fromkeys(refused, 403)
    # With the scope the door is open.
    key, stored = make_api_key(UserId(ana.user_id), "all", SCOPES, site.town.clock)
    await site.services.store.create_api_key(stored, key_hash(key))
    service = await site.visitor()
    service.http.headers["X-API-Key"] = key
    allowed = [operation for operation, row in ROWS.items() if row.scope != SIGNED_IN]
    statuses = {operation: await ask(service, operation, ids) for operation in allowed}
    assert statuses == {operation: ROWS[operation].status for operation in allowed}


async def test_a_revoked_key_is_nobody(build_site: Builder) -> None:
    site = await build_site()
    ana = await site.person("ana")
    key, stored = make_api_key(UserId(ana.user_id), "all", SCOPES, site.town.clock)
    await site.services.store.create_api_key(stored, key_hash(key))
    await site.services.store.revoke_api_key(stored.id)
    service = await site.visitor()
    service.http.headers["X-API-Key"] = key
    statuses = {operation: await ask(service, operation, {}) for operation in ROWS}
    assert statuses == dict.fromkeys(ROWS, 401)


async def test_the_accounts_of_the_page_itself_cannot_be_parted_from_it(site: Site) -> None:
    ana = await site.person("ana")
    session = (await ana.ok("POST", "/sessions", {}))["id"]
    await ana.ok("POST", "/chat", {"session_id": session, "message": "I live in Lisbon."})
    (own,) = await site.services.store.get_identities(UserId(ana.user_id))
    assert (await ana.send("DELETE", f"/linked-accounts/{own.id}")).status_code == 404
    await ana.ok("POST", "/chat", {"session_id": session, "message": "Where do I live?"})


async def test_ids_that_were_never_given_look_like_those_of_others(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    ids = await belongings(site, ana)
    for path in ("/memory-profiles/{}", "/sessions/{}"):
        name = "profile_id" if "profiles" in path else "session_id"
        theirs = await eve.send("GET", path.format(ids[name]))
        nobodys = await eve.send("GET", path.format(uuid.uuid4()))
        assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
