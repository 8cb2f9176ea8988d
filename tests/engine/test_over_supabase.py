"""The same talks once more with everything kept over REST."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest

from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.sql.schema import metadata
from adapters.stores.supabase import SupabaseStore
from core.ports import Clock
from tests.engine import test_modes_and_rooms, test_sessions_api, test_summaries, test_talk
from tests.support import world
from tests.support.postgres import Server, postgres_server
from tests.support.postgrest import SECRET_KEY, Project, project

pytestmark = pytest.mark.long

Story = Callable[[OnnxEmbedder], Awaitable[None]]
MODULES = (test_talk, test_modes_and_rooms, test_sessions_api, test_summaries)
STORIES: list[Story] = [
    function
    for module in MODULES
    for name, function in vars(module).items()
    if name.startswith("test_") and list(inspect.signature(function).parameters) == ["embedder"]
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        started.fresh("talk")
        yield started


@pytest.fixture(scope="module")
def supabase(server: Server) -> Iterator[Project]:
    with project(server.url("talk")) as started:
        yield started


@pytest.fixture
async def kept_over_rest(supabase: Project, server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    made: list[SupabaseStore] = []

    def make(clock: Clock) -> SupabaseStore:
        made.append(SupabaseStore(supabase.url, SECRET_KEY, clock))
        return made[-1]

    server.emptied("talk")
    monkeypatch.setattr(test_modes_and_rooms, "stored", lambda _: everything(server.url("talk")))
    for module in (world, *MODULES):
        monkeypatch.setattr(module, "MemoryStore", make, raising=False)
    yield
    for store in made:
        await store.close()


def everything(url: str) -> bytes:
    """Every row of every table, as text."""
    with psycopg.connect(url) as connection:
        tables = [f"select {table.name}::text from public.{table.name}".encode() for table in metadata.sorted_tables]
        return b"\n".join(row[0].encode() for table in tables for row in connection.execute(table))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.removeprefix("test_"))
@pytest.mark.usefixtures("kept_over_rest")
async def test_the_same_holds_over_rest(story: Story, embedder: OnnxEmbedder) -> None:
    await story(embedder)


def test_there_are_stories() -> None:
    assert len(STORIES) > 40
