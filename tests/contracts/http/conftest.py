"""A whole instance behind the API: real engine, memory and store; only the model is scripted."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from adapters.clock import ManualClock
from adapters.http.app import create_app
from adapters.http.config import HttpConfig, JwtConfig, RateLimitConfig
from adapters.http.services import ApiServices
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from adapters.stores.migrations import upgrade
from adapters.stores.sql import SqlStore
from adapters.stores.sql.server import PostgresStore
from core.own_data import OwnData
from core.policy import EnginePolicy
from core.ports import PlatformAdapter, Store
from tests.support.models import ScriptedModel
from tests.support.postgres import Server, postgres_server
from tests.support.stage import NOON
from tests.support.world import Town, world

Make = Callable[[ManualClock], Store]
PASSWORD = "correct horse battery"
GENEROUS = RateLimitConfig("100000/minute", "100000/minute", "100000/minute")


# A server's connections cost more than the routes: over Postgres they run with the longer suites.
STORES = ("sqlite", pytest.param("postgres", marks=pytest.mark.long))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database; copying it is quicker than migrating for every test."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A Postgres with an empty database named `site`."""
    with postgres_server() as started:
        started.fresh("site")
        yield started


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Stores over one database, which is empty when the test begins."""
    if request.param == "postgres":
        url = request.getfixturevalue("server").emptied("site")
        return lambda clock: PostgresStore(url, clock)
    shutil.copyfile(request.getfixturevalue("template"), tmp_path / "store.db")
    return lambda clock: SqlStore(f"sqlite:///{tmp_path}/store.db", clock)


@dataclass
class Client:
    """One person's HTTP client. `ok` are calls that have to succeed."""

    http: httpx2.AsyncClient
    email: str = ""
    access: str = ""
    refresh: str = ""
    user_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"} if self.access else {}

    async def send(self, method: str, path: str, json: object = None, **more: object) -> httpx2.Response:
        headers = {**self.headers, **more.pop("headers", {})}  # type: ignore[dict-item]  # a dict of headers
        arguments = {"json": json} if json is not None else {}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **arguments, **more)  # type: ignore[arg-type]  # httpx's own arguments

    async def ok(self, method: str, path: str, json: object = None, **more: object) -> object:
        answer = await self.send(method, path, json, **more)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def take(self, tokens: dict[str, object]) -> None:
        self.access, self.refresh = str(tokens["access_token"]), str(tokens["refresh_token"])
        self.user_id = str(tokens["user"]["id"])  # type: ignore[index]  # a UserResponse


@dataclass
class Site:
    app: FastAPI
    town: Town
    services: ApiServices
    config: HttpConfig
    stack: AsyncExitStack
    address: str = ""

    async def visitor(self) -> Client:
        """Over a real socket where the site is served on one."""
        transport = None if self.address else httpx2.ASGITransport(self.app)
        base = self.address or "http://bot.test"
        # Reading the certificates that plain HTTP does not use would take longer than most tests.
        http = httpx2.AsyncClient(transport=transport, base_url=base, timeout=30, verify=False)
        return Client(await self.stack.enter_async_context(http))

    async def person(self, name: str = "ana") -> Client:
        """Signed up and in."""
        client = await self.visitor()
        client.email = f"{name}@example.org"
        answer = await client.send("POST", "/auth/signup", {"email": client.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.take(answer.json())
        return client


@dataclass
class Builder:
    """Builds sites; tests that need another configuration call it themselves."""

    stack: AsyncExitStack
    embedder: OnnxEmbedder
    make: Make

    async def __call__(
        self,
        *,
        model: ScriptedModel | None = None,
        policy: EnginePolicy | None = None,
        platforms: tuple[PlatformAdapter, ...] = (),
        **changes: object,
    ) -> Site:
        clock = ManualClock(NOON)
        store = self.make(clock)
        await store.open()
        self.stack.push_async_callback(store.close)
        town = await self.stack.enter_async_context(
            world(store=store, clock=clock, embedder=self.embedder, model=model, policy=policy)
        )
        services = town.services
        own = OwnData(store, town.memory, services.sealer, town.ephemeral, clock, services.linking)
        api = ApiServices(
            town.engine, store, town.memory, services.sealer, services.registry, clock, services.quotas, own, platforms
        )
        settings: dict[str, object] = {
            "jwt": JwtConfig("s" * 64),
            "rate_limits": GENEROUS,
            "password_memory": 64,
            **changes,
        }
        config = HttpConfig(**settings)  # type: ignore[arg-type]  # fields of HttpConfig
        app = create_app(api, config)
        return Site(app, town, api, config, self.stack)


@pytest.fixture(scope="session")
def shared_embedder() -> OnnxEmbedder:
    return OnnxEmbedder()


@pytest.fixture
async def build_site(make_store: Make, shared_embedder: OnnxEmbedder) -> AsyncIterator[Builder]:
    async with AsyncExitStack() as stack:
        yield Builder(stack, shared_embedder, make_store)


@pytest.fixture
async def site(build_site: Builder) -> Site:
    return await build_site()


@dataclass
class Live:
    """A site behind a real server on a real socket."""

    site: Site
    address: str


@asynccontextmanager
async def served(site: Site) -> AsyncIterator[Live]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(site.app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))  # without its signal handlers
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 # uvicorn has no event for it
            await asyncio.sleep(0.01)
    site.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield Live(site, site.address)
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
async def live(shared_embedder: OnnxEmbedder) -> AsyncIterator[Live]:
    async with AsyncExitStack() as stack:
        build = Builder(stack, shared_embedder, MemoryStore)
        async with served(await build()) as running:
            yield running
