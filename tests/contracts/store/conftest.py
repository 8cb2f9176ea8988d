"""Every store under one suite. A new one joins by a line in `STORES`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from adapters.clock import ManualClock
from adapters.stores.memory import MemoryStore
from adapters.stores.migrations import upgrade
from adapters.stores.sql import SqlStore
from adapters.stores.sql.server import PostgresStore
from adapters.stores.supabase import SupabaseStore
from core.ports import Store
from tests.contracts.store.cast import Cast
from tests.support.postgres import Server, postgres_server
from tests.support.postgrest import SECRET_KEY, Project, project

Make = Callable[[Path, Path, ManualClock], Store]

NEEDS_SERVER = ("postgres", "supabase")
# A wire to a server takes its time: there the contract runs with the longer suites.
SERVERS = [pytest.param(name, marks=pytest.mark.long) for name in NEEDS_SERVER]


def _memory(_folder: Path, _template: Path, clock: ManualClock) -> Store:
    return MemoryStore(clock)


def _sqlite(folder: Path, template: Path, clock: ManualClock) -> Store:
    shutil.copyfile(template, folder / "store.db")
    return SqlStore(f"sqlite:///{folder}/store.db", clock)


STORES: dict[str, Make] = {"memory": _memory, "sqlite": _sqlite}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database; copying it is quicker than migrating for every test."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A Postgres with an empty database named `contract`."""
    with postgres_server() as started:
        started.fresh("contract")
        yield started


@pytest.fixture(scope="session")
def supabase(server: Server) -> Iterator[Project]:
    """A Supabase project on the same database, as far as our store uses one."""
    with project(server.url("contract")) as started:
        yield started


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=[*STORES, *SERVERS])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, template: Path, clock: ManualClock
) -> AsyncIterator[Store]:
    if request.param in NEEDS_SERVER:
        made = _on_server(request.param, request, clock)
    else:
        made = STORES[request.param](tmp_path, template, clock)
    await made.open()
    yield made
    await made.close()


def _on_server(kind: str, request: pytest.FixtureRequest, clock: ManualClock) -> Store:
    url = request.getfixturevalue("server").emptied("contract")
    if kind == "postgres":
        return PostgresStore(url, clock)
    return SupabaseStore(request.getfixturevalue("supabase").url, SECRET_KEY, clock)


@pytest.fixture
def cast(store: Store, clock: ManualClock) -> Cast:
    return Cast(store, clock)
