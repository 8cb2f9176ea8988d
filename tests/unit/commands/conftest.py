from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from tests.support.world import Town, world


@pytest.fixture(scope="session")
def embedder() -> OnnxEmbedder:
    """One for all tests: it belongs to no event loop, and loading it takes most of a second."""
    return OnnxEmbedder()


@pytest.fixture
async def town(embedder: OnnxEmbedder) -> AsyncIterator[Town]:
    async with world(embedder=embedder, model=OfflineLanguageModel()) as town:
        yield town
