"""Whatever is sent: a clear 4xx in the documented shape, never a 500, and others go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from adapters.http.config import RateLimitConfig
from core.types import new_id
from tests.contracts.http.conftest import PASSWORD, Builder, Site, served

DEEP = "[" * 100_000
# None of it gets as far as the store.
pytestmark = pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)


@pytest.fixture
async def site(build_site: Builder) -> AsyncIterator[Site]:
    """Behind a real server: what it makes of broken requests is part of the answer."""
    async with served(await build_site()) as live:
        yield live.site


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


async def raw(site: Site, request: bytes) -> bytes:
    """The answer to bytes that no HTTP client would send."""
    address = urlsplit(site.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read(4_000)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/../../../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/app.py",
        "/..%2f..%2fconfig.py",
        "/..\\..\\app.py",
        "/page/../../app.py",
        "/%00",
        "/style.css%00.js",
        "/.git/config",
        "http://other.example/../app.py",
        "/api/v1/../../app.py",
        "/api/v1/memory-profiles/..%2f..%2fauth%2fme",
    ],
)
async def test_paths_lead_nowhere_but_to_the_pages_own_files(site: Site, path: str) -> None:
    answer = await raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"400", b"401", b"404"), answer[:200]
    assert b"FastAPI" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Bad: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_broken_requests_are_refused_and_the_server_goes_on(site: Site, request_bytes: bytes) -> None:
    ana = await site.person("ana")
    answer = await raw(site, request_bytes)
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4"), answer[:200]
    await ana.ok("GET", "/auth/me")


async def test_a_header_that_lies_about_its_address_changes_no_limit(build_site: Builder) -> None:
    limits = RateLimitConfig("1000/minute", "1000/minute", "2/minute")
    async with served(await build_site(rate_limits=limits)) as live:
        visitor = await live.site.visitor()
        body = {"email": "ana@example.org", "password": "not the password"}
        statuses = []
        for number in range(4):
            headers = {"X-Real-IP": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
            changed = {**body, "email": f"ana{number}@example.org"}
            statuses.append((await visitor.send("POST", "/auth/login", changed, headers=headers)).status_code)
        assert statuses == [401, 401, 429, 429]


async def test_wrong_codes_are_limited(site: Site) -> None:
    ana = await site.person("ana")
    statuses = [
        (await ana.send("POST", "/link-codes/redeem", {"code": f"WRONG-{new_id()[:5]}"})).status_code for _ in range(6)
    ]
    assert statuses == [400, 400, 400, 400, 400, 429]


async def test_others_go_on_meanwhile(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.visitor()
    for content in (DEEP.encode(), b"{" * 1000, b"\x00" * 1000):
        await eve.http.post("/api/v1/auth/login", content=content, headers={"Content-Type": "application/json"})
        await ana.ok("GET", "/auth/me")
    ana.take(await ana.ok("POST", "/auth/login", {"email": ana.email, "password": PASSWORD}))
