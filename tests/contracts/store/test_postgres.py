"""What only a server can get wrong: its schema and who may look, its restarts, its errors, several processes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import create_engine

from adapters.clock import ManualClock
from adapters.stores import migrations
from adapters.stores.migrations import server as server_migrations
from adapters.stores.sql.faults import as_store_error
from adapters.stores.sql.postgres import postgres_url
from adapters.stores.sql.schema import metadata
from adapters.stores.sql.server import PostgresStore
from core.batches import AcceptBatch, UserPatch
from core.errors import (
    AnotherRunner,
    ConfigurationError,
    Conflict,
    NotFound,
    SchemaMismatch,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from core.types import ConversationKind, Place, PlatformName, TurnId, UserId, new_id
from tests.contracts.store.cast import Cast
from tests.support.polling import eventually
from tests.support.postgres import Server

COLUMNS = """
select table_name, column_name, data_type, collation_name, is_nullable, column_default
from information_schema.columns where table_schema = 'public' order by 1, 2
"""
CONSTRAINTS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = 'public'::regnamespace order by 1, 2
"""
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' order by 1, 2"


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def change(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_the_sql_files_and_the_metadata_are_one_schema(server: Server) -> None:
    drawn = server.fresh("drawn", "template0")
    engine = create_engine(postgres_url(drawn))
    metadata.create_all(engine)
    engine.dispose()
    written = server.url("contract")
    for query in (COLUMNS, CONSTRAINTS, INDEXES):
        assert rows(written, query) == rows(drawn, query)


def test_versions_are_those_of_sqlite(server: Server) -> None:
    assert list(server_migrations.files())[-1] == migrations.HEAD
    assert migrations.current(server.url("contract")) == migrations.HEAD
    migrations.upgrade(server.url("contract"))


def test_every_table_is_closed_to_strangers_and_people_see_their_own_rows(server: Server) -> None:
    url = server.emptied("contract")
    open_tables = rows(url, "select relname from pg_class where relnamespace = 'public'::regnamespace "
                            "and relkind = 'r' and not relrowsecurity")  # fmt: skip
    assert open_tables == []
    ann, bob = new_id(), new_id()
    for person in (ann, bob):
        change(url, "insert into users (id, kind, display_name, timezone, metadata, created_at, updated_at) "
                    f"values ('{person}', 'person', 'x', 'UTC', '{{}}', now(), now())")  # fmt: skip
    with psycopg.connect(url) as connection:
        connection.execute("set local role authenticated")
        connection.execute("select set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{ann}"}}'])
        assert connection.execute("select id from public.users").fetchall() == [(ann,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("select * from public.credentials")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("update public.users set display_name = 'y'")
    with psycopg.connect(url) as connection:
        connection.execute("set local role anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from public.users")


async def test_a_start_refuses_every_schema_but_its_own(server: Server) -> None:
    empty = server.fresh("empty", "template0")
    store = PostgresStore(empty, ManualClock())
    with pytest.raises(SchemaMismatch) as missing:
        await store.open()
    assert "memorychat db upgrade" in missing.value.user_message
    migrations.upgrade(empty)
    await store.open()
    await store.close()
    body = "create or replace function public.schema_version() returns text language sql as $$ select '9999' $$"
    change(empty, body)
    newer = PostgresStore(empty, ManualClock())
    with pytest.raises(SchemaMismatch) as later:
        await newer.open()
    assert "newer version" in later.value.user_message
    with pytest.raises(SchemaMismatch):
        migrations.upgrade(empty)
    await newer.close()


def test_a_database_of_something_else_stays_as_it_is(server: Server) -> None:
    other = server.fresh("other", "template0")
    change(other, "create table users (name text)")
    with pytest.raises(SchemaMismatch):
        migrations.upgrade(other)
    assert rows(other, "select tablename from pg_tables where schemaname = 'public'") == [("users",)]


async def test_an_interrupted_upgrade_is_resumed(server: Server) -> None:
    cut = server.fresh("cut", "template0")
    # In the way of the last table, so that the file fails near its end; nothing of it may stay.
    change(cut, "create view public.outbox as select 1 as id")
    with pytest.raises(StoreError):
        migrations.upgrade(cut)
    assert rows(cut, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]
    change(cut, "drop view public.outbox")
    await asyncio.gather(*(asyncio.to_thread(migrations.upgrade, cut) for _ in range(3)))
    assert migrations.current(cut) == migrations.HEAD


async def test_one_process_talks_to_the_platforms_and_the_next_takes_over(server: Server) -> None:
    url = server.emptied("contract")
    first, second = PostgresStore(url, ManualClock()), PostgresStore(url, ManualClock())
    await first.take_runner_lock("first")
    await first.take_runner_lock("first")
    with pytest.raises(AnotherRunner):
        await second.take_runner_lock("second")
    change(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
    await _takes_over(second)
    with pytest.raises(AnotherRunner):
        await first.take_runner_lock("first")
    await second.release_runner_lock()
    await first.take_runner_lock("first")
    await first.close()
    await second.close()


async def _takes_over(store: PostgresStore) -> None:
    """The server ends a line a moment after it was told to."""
    async with asyncio.timeout(10):
        while True:
            with suppress(AnotherRunner):
                return await store.take_runner_lock("next")
            await asyncio.sleep(0.01)


async def test_cut_lines_cost_no_message(server: Server) -> None:
    store = PostgresStore(server.emptied("contract"), ManualClock())
    ann = await store.create_user(display_name="Ann")
    change(server.url("postgres"), "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'contract'")
    assert (await store.update_user(ann.id, UserPatch(display_name="Anna"))).display_name == "Anna"
    await store.compact()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get_user_by_id(ann.id)
    with pytest.raises(StoreUnavailable):
        await store.create_user()


async def test_a_line_cut_before_its_commit_is_no_loss_either(server: Server) -> None:
    store = PostgresStore(url := server.emptied("contract"), ManualClock())
    ann = await store.create_user(display_name="Ann")
    waiting = "select pid from pg_stat_activity where datname = 'contract' and wait_event_type = 'Lock'"
    with psycopg.connect(url) as other:
        other.execute("select 1 from users for update")
        change_of_name = asyncio.create_task(store.update_user(ann.id, UserPatch(display_name="Anna")))
        await eventually(lambda: bool(rows(url, waiting)))
        change(url, f"select pg_terminate_backend(pid) from ({waiting})")
    assert (await change_of_name).display_name == "Anna"
    await store.close()


async def test_two_processes_meet_the_same_people_and_events_at_once(server: Server) -> None:
    """Whoever comes second finds what the first one made; of one event there is one row, and one process has it."""
    url, clock = server.emptied("contract"), ManualClock()
    stores = [PostgresStore(url, clock, writers=4, readers=2) for _ in range(2)]
    place = Place(PlatformName("test"), "", "somewhere")
    met = await asyncio.gather(
        *(store.resolve_identity(PlatformName("test"), "", "ann", "Ann") for store in stores * 4),
    )
    assert len({identity.user_id for identity, _ in met}) == 1
    assert [is_new for _, is_new in met].count(True) == 1
    places = await asyncio.gather(
        *(store.resolve_conversation(place, ConversationKind.PRIVATE) for store in stores * 4),
    )
    assert len({conversation.id for conversation in places}) == 1
    cast = Cast(stores[0], clock)
    ann = await cast.person("Ann")
    row = cast.row(ann)
    accepted = await asyncio.gather(
        *(stores[number % 2].accept(AcceptBatch(row=replace(row, id=TurnId(new_id())))) for number in range(8))
    )
    stored = [item for item in accepted if item is not None]
    assert len(stored) == 1
    later = clock.now() + timedelta(minutes=1)
    claims = await asyncio.gather(
        *(
            stores[number % 2].claim_turn(row.stamp.conversation_id, row.lane, f"w{number}", later, clock.now())
            for number in range(8)
        )
    )
    (winner,) = [claim[0] for claim in claims if claim]
    final = await stores[1].get_turn(ann.user.id, stored[0].id)
    assert (final.lease_owner, final.attempts) == (winner.lease_owner, 1)
    for store in stores:
        await store.close()


async def test_a_server_that_is_away_is_unavailable() -> None:
    store = PostgresStore("postgresql://nobody@127.0.0.1:9/none", ManualClock())
    with pytest.raises(StoreUnavailable):
        await store.get_user_by_id(UserId(new_id()))
    await store.close()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (psycopg.errors.DiskFull, StoreFull),
        (psycopg.errors.ReadOnlySqlTransaction, StoreReadOnly),
        (psycopg.errors.InsufficientPrivilege, StoreReadOnly),
        (psycopg.errors.ForeignKeyViolation, NotFound),
        (psycopg.errors.UniqueViolation, Conflict),
        (psycopg.errors.AdminShutdown, StoreUnavailable),
        (psycopg.errors.TooManyConnections, StoreUnavailable),
        (psycopg.errors.SerializationFailure, StoreUnavailable),
        (psycopg.OperationalError, StoreUnavailable),
        (psycopg.errors.UndefinedTable, StoreError),
    ],
)
def test_every_error_of_the_server_becomes_ours(error: type[psycopg.Error], ours: type[Exception]) -> None:
    found = as_store_error(error("secret words"))
    assert type(found) is ours
    assert "secret" not in str(found)


@pytest.mark.parametrize("wrong", ["sqlite:///a.db", "postgresql://host"])
def test_another_address_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError):
        PostgresStore(wrong, ManualClock())
