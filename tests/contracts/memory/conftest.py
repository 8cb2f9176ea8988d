"""Memory over every store, sealed and plain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.clock import ManualClock
from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from adapters.stores.sql import SqlStore
from core.ports import Store
from core.sealing import Sealer
from tests.support.remembering import NOON, House, Mind, house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def sealing(tmp_path: Path) -> AsyncIterator[Sealer]:
    keyring = FileKeyring(tmp_path / "keyring.db", MasterKey.generate())
    await keyring.open(data_present=False)
    yield AesGcmSealer(keyring)
    await keyring.close()


@pytest.fixture(params=["memory, plain", "sqlite, sealed"])
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock, sealing: Sealer, embedder: OnnxEmbedder
) -> AsyncIterator[House]:
    sqlite = str(request.param).startswith("sqlite")
    store: Store = SqlStore(f"sqlite:///{tmp_path}/test.db", clock) if sqlite else MemoryStore(clock)
    async with house(store, sealing if sqlite else PlainSealer(), embedder, clock) as built:
        yield built


@pytest.fixture
async def ana(home: House) -> Mind:
    return await home.mind()
