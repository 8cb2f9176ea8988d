"""Every sealer there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.keys.plain import PlainSealer
from core.sealing import Sealer


@pytest.fixture
async def keyring(tmp_path: Path) -> AsyncIterator[FileKeyring]:
    keyring = FileKeyring(tmp_path / "keyring.db", MasterKey.generate())
    await keyring.open(data_present=False)
    yield keyring
    await keyring.close()


@pytest.fixture
def aes(keyring: FileKeyring) -> AesGcmSealer:
    return AesGcmSealer(keyring)


@pytest.fixture(params=["aes", "plain", "plain after aes"])
def sealer(request: pytest.FixtureRequest, aes: AesGcmSealer) -> Sealer:
    sealers: dict[str, Sealer] = {"aes": aes, "plain": PlainSealer(), "plain after aes": PlainSealer(aes)}
    return sealers[str(request.param)]
