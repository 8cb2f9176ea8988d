from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from tests.support.world import Town, world


@pytest.fixture
async def town(embedder: OnnxEmbedder) -> AsyncIterator[Town]:
    async with world(embedder=embedder, model=OfflineLanguageModel()) as town:
        yield town
