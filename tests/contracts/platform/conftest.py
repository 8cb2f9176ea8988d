from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from tests.contracts.platform.chats import CHATS, Chat, DiscordChat, opened


@pytest.fixture(params=CHATS)
async def chat(request: pytest.FixtureRequest, tmp_path: Path, embedder: OnnxEmbedder) -> AsyncIterator[Chat]:
    async with opened(request.param, tmp_path, embedder, in_fixture=True) as chat:
        yield chat


@pytest.fixture(autouse=True)
def env(request: pytest.FixtureRequest) -> object:
    """simcord looks for its world among a test's fixtures, to give the test that world's clock."""
    chat = request.getfixturevalue("chat") if "chat" in request.fixturenames else None
    return chat.sim.env if isinstance(chat, DiscordChat) else None
