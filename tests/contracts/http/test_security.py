"""Who may call what: every route, for everybody who may not."""

from __future__ import annotations

import uuid

import jwt
import pytest
from fastapi.routing import APIRoute

from adapters.http.config import CorsConfig
from adapters.http.security import key_hash, make_api_key
from core.types import UserId, new_id
from tests.contracts.http.conftest import Builder, Client, Site

OPEN = {"/api/v1/auth/signup", "/api/v1/auth/login", "/api/v1/auth/refresh", "/healthz", "/readyz", "/metrics"}
SECRET = "s" * 64
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PATCH", "/auth/me"): {},
    ("POST", "/auth/password"): {"current_password": "x", "new_password": "12345678"},
    ("DELETE", "/auth/me"): {"confirmation": "DELETE EVERYTHING"},
    ("POST", "/memory-profiles"): {"name": "work"},
    ("PUT", "/memory-profiles/{profile_id}"): {},
    ("POST", "/memory-profiles/{profile_id}/memories"): {"content": "I like tea."},
    ("POST", "/memory-profiles/{profile_id}/search"): {"query": "tea"},
    ("POST", "/memory-profiles/{profile_id}/copy"): {"target_profile_id": str(uuid.uuid4())},
    ("PATCH", "/memories/{memory_id}"): {"content": "I like tea."},
    ("POST", "/sessions"): {},
    ("PUT", "/sessions/{session_id}"): {},
    ("POST", "/chat"): {"session_id": str(uuid.uuid4()), "message": "Hello"},
    ("POST", "/chat/stream"): {"session_id": str(uuid.uuid4()), "message": "Hello"},
    ("POST", "/link-codes/redeem"): {"code": "ABCDE-FGHJK"},
    ("POST", "/link-codes/confirm"): {"token": str(uuid.uuid4())},
}


def guarded(site: Site) -> list[tuple[str, str]]:
    """Every operation that needs somebody signed in, from the app's own document."""
    found = []
    for path, operations in site.app.openapi()["paths"].items():
        if path not in OPEN:
            found += [(method.upper(), path.removeprefix("/api/v1")) for method in operations]
    return found


async def ask(client: Client, method: str, path: str, ids: dict[str, str]) -> int:
    body = BODIES.get((method, path))
    for name in ("profile_id", "memory_id", "session_id", "account_id", "conversation_id"):
        path = path.replace(f"{{{name}}}", ids.get(name, new_id()))
    if body is not None and "session_id" in body and "session_id" in ids:
        body = {**body, "session_id": ids["session_id"]}
    return (await client.send(method, path, body)).status_code


async def test_nobody_passes_without_a_valid_token(site: Site) -> None:
    ana = await site.person("ana")
    claims = jwt.decode(ana.access, options={"verify_signature": False})
    revoked = await site.person("eve")
    await revoked.ok("POST", "/auth/logout")
    tokens = {
        "anonymous": "",
        "signed out": revoked.access,
        "expired": jwt.encode(claims | {"exp": 1}, SECRET, "HS256"),
        "wrong audience": jwt.encode(claims | {"aud": "other"}, SECRET, "HS256"),
    }
    operations = guarded(site)
    assert len(operations) >= 30
    for name, token in tokens.items():
        stranger = await site.visitor()
        stranger.access = token
        for method, path in operations:
            assert await ask(stranger, method, path, {}) == 401, (name, method, path)


async def test_a_key_without_the_scope_passes_nowhere(site: Site) -> None:
    ana = await site.person("ana")
    key, stored = make_api_key(UserId(ana.user_id), "none", ["nothing"], site.town.clock)
    await site.services.store.create_api_key(stored, key_hash(key))
    service = await site.visitor()
    service.http.headers["X-API-Key"] = key
    for method, path in guarded(site):
        assert await ask(service, method, path, {}) == 403, (method, path)


async def test_another_person_finds_nothing_of_it(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    ids = {
        "profile_id": profile,
        "memory_id": (await ana.ok("POST", f"/memory-profiles/{profile}/memories", {"content": "I like tea."}))["id"],
        "session_id": (await ana.ok("POST", "/sessions", {}))["id"],
    }
    theirs = [item for item in guarded(site) if any(f"{{{name}}}" in item[1] for name in ids)]
    theirs += [("POST", "/chat"), ("POST", "/chat/stream")]
    assert len(theirs) >= 18
    for method, path in theirs:
        assert await ask(eve, method, path, ids) == 404, (method, path)
    assert len(await ana.ok("GET", f"/memory-profiles/{profile}/memories")) == 1
    await ana.ok("GET", f"/sessions/{ids['session_id']}")


async def test_every_route_is_in_the_document_or_a_webhook(site: Site) -> None:
    documented = set(site.app.openapi()["paths"])
    for route in site.app.routes:
        if isinstance(route, APIRoute):
            assert route.path in documented or route.path.startswith("/webhooks/"), route.path


async def test_every_answer_carries_the_headers_that_protect(site: Site) -> None:
    ana = await site.person("ana")
    for path in ("/", "/app.js", "/healthz", "/api/v1/auth/me", "/nothing", "/api/v1/nothing"):
        answer = await ana.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-request-id"]
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers


async def test_behind_tls_the_browser_is_told_to_stay_there(build_site: Builder) -> None:
    site = await build_site(behind_tls=True)
    answer = await (await site.visitor()).http.get("/healthz")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_other_origins_are_refused_unless_listed(build_site: Builder) -> None:
    site = await build_site(cors=CorsConfig(origins=("https://app.example.org",)))
    visitor = await site.visitor()
    ask_for = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "Authorization"}
    listed = await visitor.http.options("/api/v1/auth/me", headers={"Origin": "https://app.example.org", **ask_for})
    assert listed.headers["access-control-allow-origin"] == "https://app.example.org"
    other = await visitor.http.options("/api/v1/auth/me", headers={"Origin": "https://evil.example.org", **ask_for})
    assert "access-control-allow-origin" not in other.headers
    closed = await (await (await build_site()).visitor()).http.get("/healthz", headers={"Origin": "https://x.example"})
    assert "access-control-allow-origin" not in closed.headers


async def test_what_nobody_foresaw_tells_nothing_of_the_inside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await site.person("ana")

    async def fail(*_: object) -> object:
        raise RuntimeError("the text of a private message")

    monkeypatch.setattr(type(site.services.store), "get_memory_profiles", fail)
    answer = await ana.send("GET", "/memory-profiles")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Something went wrong on my side. Please try again.", "code": "error"}


async def test_operations_are_answered_and_counted(site: Site) -> None:
    visitor = await site.visitor()
    assert (await visitor.http.get("/healthz")).json() == {"status": "ok"}
    assert (await visitor.http.get("/readyz")).json() == {"status": "ready"}
    measured = (await visitor.http.get("/metrics")).text
    assert 'memorychat_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in measured


async def test_linking_a_chat_account_keeps_the_sign_in(site: Site) -> None:
    ana = await site.person("ana")
    chat = site.town.person("ana")
    await chat.says("My dog is called Rex.")
    reply = await chat.says("/link")
    code = reply.text.split("`")[1]
    offer = await ana.ok("POST", "/link-codes/redeem", {"code": code})
    assert [item["display_name"] for item in offer["accounts"]] == ["Ana"]
    assert (await ana.send("POST", "/link-codes/redeem", {"code": code})).status_code == 400
    joined = await ana.ok("POST", "/link-codes/confirm", {"token": offer["token"]})
    assert joined["profiles"] == 0
    assert (await ana.send("POST", "/link-codes/confirm", {"token": offer["token"]})).status_code == 404
    assert (await ana.ok("GET", "/auth/me"))["email"] == ana.email
    accounts = await ana.ok("GET", "/linked-accounts")
    assert len(accounts) == 1
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    found = await ana.ok("GET", f"/memory-profiles/{profile}/memories")
    assert [item["memory"] for item in found] == ["My dog is called Rex."]
    session = (await ana.ok("POST", "/sessions", {}))["id"]
    await ana.ok("POST", "/chat", {"session_id": session, "message": "What is my dog called?"})
    elsewhere = [item for item in await ana.ok("GET", "/sessions") if item["id"] != session]
    refused = await ana.send("POST", "/chat", {"session_id": elsewhere[0]["id"], "message": "Hello"})
    assert refused.status_code == 409
    assert (await ana.send("DELETE", f"/linked-accounts/{accounts[0]['id']}")).status_code == 204
    assert await ana.ok("GET", "/linked-accounts") == []


async def test_the_export_holds_what_was_said_and_remembered(site: Site) -> None:
    ana = await site.person("ana")
    session = (await ana.ok("POST", "/sessions", {}))["id"]
    await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    answer = await ana.send("GET", "/export")
    assert answer.headers["content-disposition"].startswith('attachment; filename="memorychat-export-')
    document = answer.json()
    assert document["person"]["email"] == ana.email
    assert document["profiles"][0]["memories"][0]["text"] == "My dog is called Rex."
    assert len(document["sessions"][0]["messages"]) == 2
    readable = await ana.send("GET", "/export", params={"format": "markdown"})
    assert readable.headers["content-type"].startswith("text/markdown")
    assert "My dog is called Rex." in readable.text
