"""The settings as the HTTP side gets them, the secret it makes for itself, keys by the command line, the server."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from bot.bootstrap import build
from bot.settings import settings_from
from bot.web import SECRET_FILE, make_config, own_secret, serving
from core.errors import BadArgument, ConfigurationError, NotFound

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def values(folder: Path, **more: str) -> dict[str, str]:
    return {"MEMORYCHAT_HOME": str(folder / "home"), "MEMORYCHAT_MASTER_KEY": KEY, "HTTP_PORT": "0", **more}


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "home" / SECRET_FILE
    made = own_secret(path)
    assert len(made) >= 64
    assert own_secret(path) == made
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("short")
    with pytest.raises(ConfigurationError):
        own_secret(path)


def test_settings_reach_the_http_side(tmp_path: Path) -> None:
    config = make_config(
        settings_from(
            values(
                tmp_path,
                JWT_SECRET="j" * 40,
                CORS_ORIGINS="https://app.example.org",
                RATE_LIMIT_USER="7/minute",
                HTTP_PUBLIC_URL="https://bot.example.org",
                SUPABASE_URL="https://project.supabase.co",
                SUPABASE_KEY="sb_publishable_x",
                DAILY_MESSAGES="9",
            )
        )
    )
    assert config.jwt.secret == "j" * 40
    assert config.cors.origins == ("https://app.example.org",)
    assert (config.rate_limits.user, config.behind_tls, config.daily_messages) == ("7/minute", True, 9)
    assert config.supabase is not None
    assert "sb_publishable_x" not in repr(config)
    assert "jjjj" not in repr(config)


async def test_the_server_answers_until_it_is_left(tmp_path: Path) -> None:
    async with build(settings_from(values(tmp_path))) as app:
        async with serving(app) as address, aiohttp.ClientSession() as http:
            async with http.get(f"{address}/readyz") as answer:
                assert await answer.json() == {"status": "ready"}
            async with http.get(f"{address}/") as page:
                assert "MemoryChat" in await page.text()
        host, port = address.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize(("proxies", "last"), [("127.0.0.1", 401), ("10.0.0.1", 429)])
async def test_only_trusted_proxies_say_whose_request_it_is(tmp_path: Path, proxies: str, last: int) -> None:
    settings = settings_from(values(tmp_path, HTTP_TRUSTED_PROXIES=proxies, RATE_LIMIT_ADDRESS="2/minute"))
    async with build(settings) as app, serving(app) as address, aiohttp.ClientSession(address) as http:
        for number in range(3):
            headers = {"X-Forwarded-For": f"192.0.2.{number}", "Authorization": "Bearer nobody"}
            async with http.get("/api/v1/auth/me", headers=headers) as answer:
                status = answer.status
        assert status == last


async def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with build(settings_from(values(tmp_path, HTTP_PORT=port))) as app:
            with pytest.raises(ConfigurationError, match="HTTP_PORT"):
                async with serving(app):
                    raise AssertionError("it serves on a port that is taken")


async def test_keys_are_made_shown_once_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot.cli import api_key
    from bot.settings import get_settings

    for name, value in values(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    try:
        async with build(settings_from(values(tmp_path)), answering=False) as app:
            await app.store.create_account("ana@example.org", "hash")
        await api_key._new("backup", "ana@example.org", None, ["read", "export"])
        key = capsys.readouterr().out.strip()
        assert key.startswith("mck_")
        await api_key._list()
        listed = capsys.readouterr().out
        assert key not in listed
        key_id, name, scopes, *_ = listed.strip().split("\t")
        assert (name, scopes) == ("backup", "read export")
        await api_key._revoke(key_id)
        await api_key._list()
        assert "revoked" in capsys.readouterr().out
        with pytest.raises(BadArgument):
            await api_key._new("backup", "ana@example.org", None, ["everything"])
        with pytest.raises(NotFound):
            await api_key._new("backup", "eve@example.org", None, ["read"])
        with pytest.raises(NotFound):
            await api_key._revoke("nothing")
    finally:
        get_settings.cache_clear()
