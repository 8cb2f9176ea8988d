"""What holds for every test: no socket leaves this machine, no setting of the developer's leaks in."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from adapters.memory.embedder import OnnxEmbedder

# A slow machine is no bug; what a property costs is measured by the benchmarks.
settings.register_profile("memorychat", deadline=None)
settings.load_profile("memorychat")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _refuse_foreign(address: object) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is None or host == "localhost":
        return
    if not ipaddress.ip_address(str(host).split("%")[0]).is_loopback:
        raise AssertionError("a test tried to leave this machine")


def _guarded_connect(self: socket.socket, address: object) -> None:
    _refuse_foreign(address)
    _connect(self, address)  # type: ignore[arg-type]  # the guard has the same signature as what it guards


def _guarded_connect_ex(self: socket.socket, address: object) -> int:
    _refuse_foreign(address)
    return _connect_ex(self, address)  # type: ignore[arg-type]  # as above


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _guarded_connect)
    patch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = ("OPENAI_", "SLACK_", "TELEGRAM_", "DISCORD_", "SUPABASE_", "QDRANT_", "MEM0_", "MEMORYCHAT_", "REDIS_")
    for name in list(os.environ):
        if name.startswith(prefixes) or name in {"DATABASE_URL", "OPENROUTER_API_KEY", "JWT_SECRET", "LOG_LEVEL"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def embedder() -> OnnxEmbedder:
    """One for all tests: it belongs to no event loop, and loading it takes most of a second."""
    from adapters.memory.embedder import OnnxEmbedder

    embedder = OnnxEmbedder()
    asyncio.run(embedder.warm())
    return embedder
