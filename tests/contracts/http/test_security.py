"""Who may call what: every route, for everybody who may not."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from adapters.http.config import CorsConfig
from tests.contracts.http.conftest import Builder, Site


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
    measured = generate_latest(site.app.state.metrics.registry).decode()
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
