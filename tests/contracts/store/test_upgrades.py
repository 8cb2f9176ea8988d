"""A database of an older version is brought up to date with what people have in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine

from adapters.clock import ManualClock
from adapters.stores import migrations
from adapters.stores.migrations import server as server_migrations
from adapters.stores.sql import SqlStore
from adapters.stores.sql.postgres import postgres_url
from adapters.stores.sql.schema import memory_profiles, users
from adapters.stores.sql.server import PostgresStore
from core.errors import SchemaMismatch
from core.ports import Store
from core.types import PlatformName, UserId, new_id
from tests.support.postgres import Server

USER, PROFILE = UserId(new_id()), new_id()


def settle(engine: Engine) -> None:
    """A person with a profile, written as the oldest version did."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    dates = {"created_at": at, "updated_at": at}
    person = {"id": USER, "kind": "person", "display_name": "Ann", "timezone": "UTC", "metadata": {}, **dates}
    names = {"name": "personal", "name_key": "personal", "description": "", "instructions": "", "is_default": True}
    with engine.begin() as connection:
        connection.execute(users.insert().values(**person))
        connection.execute(memory_profiles.insert().values(id=PROFILE, user_id=USER, **names, **dates))
    engine.dispose()


async def check(store: Store) -> None:
    """What was there is there, and what is new works."""
    await store.open()
    assert (await store.get_user_by_id(USER)).display_name == "Ann"
    assert (await store.get_default_memory_profile(USER)).id == PROFILE
    await store.add_identity(USER, PlatformName("test"), "", "ann", "Ann")
    await store.take_runner_lock("here")
    await store.close()


async def test_a_file_of_the_first_version_keeps_what_is_in_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    settle(engine)
    assert migrations.current(url) == "0001"
    await check(SqlStore(url, ManualClock()))
    assert migrations.current(url) == migrations.HEAD


async def test_a_server_of_an_older_version_is_refused_then_keeps_what_is_in_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.fresh("older", "template0")
    oldest = dict(list(server_migrations.files().items())[:1])
    monkeypatch.setattr(server_migrations, "files", lambda: oldest)
    migrations.upgrade(url)
    monkeypatch.undo()
    settle(create_engine(postgres_url(url)))
    store = PostgresStore(url, ManualClock())
    with pytest.raises(SchemaMismatch) as refused:
        await store.open()
    assert "memorychat db upgrade" in refused.value.user_message
    await store.close()
    migrations.upgrade(url)
    await check(PostgresStore(url, ManualClock()))
