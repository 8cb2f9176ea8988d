from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.clock import ManualClock
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from tests.support.remembering import NOON, House, Mind, house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def home(clock: ManualClock, embedder: OnnxEmbedder) -> AsyncIterator[House]:
    async with house(MemoryStore(clock), PlainSealer(), embedder, clock) as built:
        yield built


@pytest.fixture
async def ana(home: House) -> Mind:
    return await home.mind()
