from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.memory.embedder import OnnxEmbedder


@pytest.fixture
async def embedder() -> AsyncIterator[OnnxEmbedder]:
    embedder = OnnxEmbedder()
    await embedder.warm()
    yield embedder
    await embedder.close()
