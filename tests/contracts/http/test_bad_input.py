"""Whatever is sent: a clear 4xx in the documented shape, never a 500, and others go on."""

from __future__ import annotations

import json

import pytest

from core.types import new_id
from tests.contracts.http.conftest import PASSWORD, Builder, Site

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 422),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"\xff\xfe\x00", "application/json", None),
        (DEEP.encode(), "application/json", None),
        (b'{"a":' * 20_000, "application/json", None),
        (b"email=a@b.org", "application/x-www-form-urlencoded", 422),
        (b"<x/>", "text/xml", 422),
        (b'{"email": "\\ud800@example.org", "password": "12345678"}', "application/json", 422),
        (b'{"email": "a\\u0000@example.org", "password": "12345678"}', "application/json", 422),
        (b'{"email": "a@example.org", "password": "1234567\\u0000"}', "application/json", 422),
        (b'{"email": "a@example.org", "password": "12345678", "is_admin": true}', "application/json", 422),
        (b'{"email": "a@example.org\\r\\nBcc: eve@example.org", "password": "12345678"}', "application/json", 422),
        (b'{"email": {"$ne": null}, "password": "12345678"}', "application/json", 422),
        (b'{"email": NaN, "password": Infinity}', "application/json", 422),
    ],
)
async def test_broken_bodies(site: Site, content: bytes, kind: str, status: int | None) -> None:
    visitor = await site.visitor()
    answer = await visitor.http.post("/api/v1/auth/signup", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status if status else 400 <= answer.status_code < 500
    assert set(answer.json()) == {"detail", "code"}
    assert len(answer.text) < 2_000


async def test_bodies_of_ten_megabytes_are_refused_early(site: Site) -> None:
    visitor = await site.visitor()
    body = json.dumps({"email": "a@example.org", "password": "x" * 10_000_000}).encode()
    answer = await visitor.http.post("/api/v1/auth/signup", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    async def pieces() -> object:
        for _ in range(100):
            yield b" " * 100_000

    answer = await visitor.http.post(
        "/api/v1/auth/signup", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions?limit=0", None),
        ("GET", "/sessions?limit=101", None),
        ("GET", "/sessions?limit=many", None),
        ("GET", "/sessions?offset=-1", None),
        ("GET", "/sessions?offset=99999999999999999999999999", None),
        ("GET", "/sessions?memory_profile_id=*", None),
        ("GET", "/memory-profiles/*/memories", None),
        ("GET", "/memory-profiles/%00", None),
        ("GET", "/memory-profiles/1' OR '1'='1", None),
        ("POST", "/memory-profiles", {"name": ""}),
        ("POST", "/memory-profiles", {"name": "   "}),
        ("POST", "/memory-profiles", {"name": "x" * 41}),
        ("POST", "/memory-profiles", {"name": "/help"}),
        ("POST", "/memory-profiles", {"name": 7}),
        ("POST", "/memory-profiles", {"name": "a", "description": "x" * 501}),
        ("POST", "/sessions", {"privacy_mode": "secret"}),
        ("POST", "/sessions", {"memory_profile_id": "personal"}),
        ("POST", "/chat", {"session_id": "x", "message": "hello"}),
        ("POST", "/chat", {"session_id": "3d1f6c1e-5a0b-4a57-9f0e-2f8f3a1f7c11", "message": ""}),
        ("POST", "/chat", {"session_id": "3d1f6c1e-5a0b-4a57-9f0e-2f8f3a1f7c11", "message": "\u200b \0"}),
        ("POST", "/chat", {"session_id": "3d1f6c1e-5a0b-4a57-9f0e-2f8f3a1f7c11", "message": "x" * 100_001}),
        ("POST", "/chat", {"session_id": "3d1f6c1e-5a0b-4a57-9f0e-2f8f3a1f7c11", "message": ["hello"]}),
        ("DELETE", "/memories/../../etc/passwd", None),
        ("GET", "/export?format=exe", None),
        ("POST", "/link-codes/redeem", {"code": "x" * 41}),
        ("PUT", "/auth/me", {}),
    ],
)
async def test_values_out_of_range(site: Site, method: str, path: str, body: object) -> None:
    ana = await site.person("ana")
    answer = await ana.send(method, path, body)
    assert answer.status_code in (400, 404, 405, 422), answer.text
    assert set(answer.json()) == {"detail", "code"}


async def test_what_looks_like_sql_is_only_text(site: Site) -> None:
    ana = await site.person("ana")
    name = "'; DROP TABLE users; --"
    made = await ana.ok("POST", "/memory-profiles", {"name": name})
    assert made["name"] == name
    path = f"/memory-profiles/{made['id']}"
    await ana.ok("POST", f"{path}/memories", {"content": "Robert'); DROP TABLE mem0_memories;--"})
    found = await ana.ok("GET", f"{path}/memories", params={"q": "' OR 1=1 --"})
    assert isinstance(found, list)
    await ana.ok("GET", "/auth/me")


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/app.py", "/..%2f..%2fconfig.py", "/page/../../app.py"])
async def test_the_page_serves_its_own_files_only(site: Site, path: str) -> None:
    answer = await (await site.visitor()).http.get(path)
    assert answer.status_code == 404
    assert "FastAPI" not in answer.text


async def test_wrong_codes_are_limited(site: Site) -> None:
    ana = await site.person("ana")
    statuses = [
        (await ana.send("POST", "/link-codes/redeem", {"code": f"WRONG-{new_id()[:5]}"})).status_code for _ in range(6)
    ]
    assert statuses == [400, 400, 400, 400, 400, 429]


async def test_others_go_on_meanwhile(build_site: Builder) -> None:
    site = await build_site()
    ana, eve = await site.person("ana"), await site.visitor()
    for content in (DEEP.encode(), b"{" * 1000, b"\x00" * 1000):
        await eve.http.post("/api/v1/auth/login", content=content, headers={"Content-Type": "application/json"})
        await ana.ok("GET", "/auth/me")
    ana.take(await ana.ok("POST", "/auth/login", {"email": ana.email, "password": PASSWORD}))
