"""What only REST can get wrong: keys, addresses, lost answers, pages, a lock that no connection holds, who may call."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import postgrest
import psycopg
import pytest

import supabase as supabase_client
from adapters.clock import ManualClock
from adapters.stores import migrations
from adapters.stores.migrations import server as server_migrations
from adapters.stores.sql.audit import Auditable
from adapters.stores.sql.rows import REPLY_CHANGES
from adapters.stores.sql.schema import members, usage
from adapters.stores.sql.server import PostgresStore
from adapters.stores.supabase import SupabaseStore, memories, rest
from adapters.stores.supabase.faults import FOREIGN, Refusal, as_store_error
from core.batches import AcceptBatch, LearnBatch, RecordBatch, UserPatch
from core.errors import (
    AnotherRunner,
    ConfigurationError,
    Conflict,
    NotFound,
    SchemaMismatch,
    StaleMember,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from core.types import OutboxState, TurnState, Usage
from tests.contracts.store.cast import Cast
from tests.support.polling import eventually
from tests.support.postgres import Server
from tests.support.postgrest import PUBLIC_KEY, SECRET_KEY, Project, Trouble, project, service_jwt

SECRET = "what nobody may read"
GATEWAY = Trouble(502, "<html>Bad gateway</html>")


@asynccontextmanager
async def store_on(url: str, key: str = SECRET_KEY, **more: float) -> AsyncIterator[SupabaseStore]:
    store = SupabaseStore(url, key, ManualClock(), **more)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def cast(supabase: Project, server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cast]:
    """An open store on an empty project, which asks again without waiting."""
    monkeypatch.setattr(rest, "FIRST_PAUSE", 0.001)
    server.emptied("contract")
    supabase.requests.clear()
    async with store_on(supabase.url) as store:
        await store.open()
        yield Cast(store, ManualClock())
    assert not supabase.trouble, "a trouble that nobody met"


# ---------------------------------------------------------------------------------------------------- opening


@pytest.mark.parametrize("key", [SECRET_KEY, service_jwt()], ids=["secret", "service_role"])
async def test_keys_of_both_forms_open_it(supabase: Project, key: str) -> None:
    async with store_on(supabase.url, key) as store:
        await store.open()
        assert await store.schema() == migrations.HEAD


@pytest.mark.parametrize(
    "key", ["sb_secret_of_somebody_else", PUBLIC_KEY, service_jwt("anon"), service_jwt("authenticated")]
)
async def test_any_other_key_is_named_and_not_shown(supabase: Project, key: str) -> None:
    async with store_on(supabase.url, key) as store:
        with pytest.raises(ConfigurationError) as refused:
            await store.open()
    assert "SUPABASE_SERVICE_KEY" in str(refused.value)
    assert key not in str(refused.value)


async def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "FIRST_PAUSE", 0.001)
    async with store_on("http://127.0.0.1:9") as store:
        with pytest.raises(StoreUnavailable) as away:
            await store.open()
    assert "SUPABASE_URL" in away.value.user_message


@pytest.mark.parametrize("body", ["<html>Not found</html>", '{"detail": "Not Found"}', "[]"])
async def test_an_address_of_something_else(supabase: Project, body: str) -> None:
    supabase.trouble.append(Trouble(404, body))
    async with store_on(supabase.url) as store:
        with pytest.raises(ConfigurationError, match="SUPABASE_URL"):
            await store.open()


@pytest.mark.parametrize(("schema", "words"), [("none", "db push"), ("0003", "db push"), ("9999", "newer version")])
async def test_a_project_of_another_version(server: Server, supabase: Project, schema: str, words: str) -> None:
    if schema == "none":
        with project(server.fresh("bare", "template0")) as bare, psycopg.connect(server.url("bare")) as connection:
            connection.execute("create schema auth")
            connection.commit()
            await _refused(bare.url, words)
        return
    supabase.trouble.append(Trouble(200, json.dumps(schema)))
    await _refused(supabase.url, words)


async def _refused(url: str, words: str) -> None:
    async with store_on(url) as store:
        with pytest.raises(SchemaMismatch) as found:
            await store.open()
    assert words in found.value.user_message


async def test_a_closed_store_is_away(supabase: Project) -> None:
    store = SupabaseStore(supabase.url, SECRET_KEY, ManualClock())
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.has_event("x")


# ---------------------------------------------------------------------------------------------------- who may call


def test_nobody_but_the_service_may_call_a_function(server: Server) -> None:
    query = b"""
        select p.oid::regprocedure::text, p.prosecdef, p.proconfig,
            has_function_privilege('anon', p.oid, 'execute'),
            has_function_privilege('authenticated', p.oid, 'execute'),
            has_function_privilege('service_role', p.oid, 'execute')
        from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'memorychat'::regnamespace)
    """
    with psycopg.connect(server.url("contract")) as connection:
        functions = connection.execute(query).fetchall()
        open_schema = connection.execute("select has_schema_privilege('anon', 'memorychat', 'usage')").fetchone()
    assert len(functions) > 50
    for name, definer, config, *may in functions:
        assert may == [False, False, True], name
        assert not definer, name
        assert config == ['search_path=""'], name
    assert open_schema == (False,)


def test_every_function_that_is_called_is_there_and_the_other_way_round(server: Server) -> None:
    with psycopg.connect(server.url("contract")) as connection:
        there = {row[0] for row in connection.execute("select proname from pg_proc where proname like 'mc\\_%'")}
    package = inspect.getfile(SupabaseStore).rsplit("/", 1)[0]
    called = set()
    for name in ("accounts", "joining", "memories", "people", "places", "talk", "turns", "upkeep"):
        with open(f"{package}/{name}.py", encoding="utf-8") as file:
            called |= {word for word in file.read().split('"') if word.startswith("mc_")}
    assert called == there


def test_what_functions_set_column_by_column_is_every_column_there_is() -> None:
    """Elsewhere the columns are those of the rows that come; a new one in these tables needs the function changed."""
    text = "".join(path.read_text("utf-8") for path in server_migrations.files().values())
    body = {name: text.partition(f"create function {name}(")[2].partition("end $$;")[0] for name in WRITERS}
    for name, columns in WRITERS.items():
        for column in columns:
            assert f" {column}" in body[name] or f"({column}" in body[name], (name, column)
    keys = {"conversation_id", "user_id"}
    assert {*WRITERS["memorychat.save_member"], *keys} == {column.name for column in members.columns}
    counts = {*WRITERS["public.mc_count_usage"]}
    assert counts == {column.name for column in usage.columns}


WRITERS = {
    "memorychat.save_member": ("mode", "profile_id", "version", "welcomed"),
    "public.mc_count_usage": ("user_id", "day", "messages", "prompt_tokens", "completion_tokens"),
    "public.mc_record_turn": REPLY_CHANGES,
}


# ---------------------------------------------------------------------------------------------------- failures


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from subclasses(sub)


def test_every_exception_of_the_client_becomes_one_of_ours() -> None:
    request = httpx.Request("POST", "http://project/rest/v1/users", content=SECRET)
    seen = 0
    for kind in {*subclasses(httpx.HTTPError), *subclasses(httpx.StreamError), httpx.InvalidURL, postgrest.APIError}:
        error = made(kind, request)
        assert isinstance(error, FOREIGN), kind
        ours = as_store_error(error)
        assert isinstance(ours, StoreError), kind
        assert SECRET not in f"{ours!r} {ours}", kind
        seen += 1
    assert seen > 20
    # What its constructor refuses is refused by the settings before.
    assert not issubclass(supabase_client.SupabaseException, FOREIGN)


def made(kind: type[BaseException], request: httpx.Request) -> BaseException:
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError(SECRET, request=request, response=httpx.Response(500, request=request))
    if kind is postgrest.APIError:
        return postgrest.APIError({"message": SECRET, "code": "200", "details": SECRET})
    if issubclass(kind, httpx.StreamError) and kind is not httpx.StreamError:
        return kind()
    return kind(SECRET)


REFUSALS: list[tuple[int, str, type[Exception]]] = [
    (409, "23505", Conflict), (409, "23503", NotFound), (503, "53100", StoreFull), (405, "25006", StoreReadOnly),
    (403, "42501", StoreReadOnly), (500, "57014", StoreUnavailable), (500, "XX000", StoreError),
    (404, "PGRST202", SchemaMismatch), (404, "42P01", SchemaMismatch), (503, "PGRST000", StoreUnavailable),
    (401, "PGRST303", StoreUnavailable), (401, "", StoreUnavailable), (429, "", StoreUnavailable),
    (502, "", StoreUnavailable), (520, "", StoreUnavailable), (408, "", StoreUnavailable), (400, "", StoreError),
    (400, "PGRST100", StoreError),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS)
def test_a_status_and_a_code_are_one_error(status: int, code: str, kind: type[Exception]) -> None:
    assert type(as_store_error(Refusal(status, code))) is kind


def test_the_errors_of_our_functions_come_by_name_and_nothing_else_does() -> None:
    assert type(as_store_error(Refusal(400, "MC000", "NotFound"))) is NotFound
    for name in ("", "annotations", "MemoryChatErrors", "object"):
        assert type(as_store_error(Refusal(400, "MC000", name))) is StoreError


@pytest.mark.parametrize(
    "trouble", [GATEWAY, Trouble(503, '{"code": "PGRST002"}'), Trouble(429, "{}"), Trouble(500, "")]
)
async def test_reading_is_tried_again(cast: Cast, supabase: Project, trouble: Trouble) -> None:
    supabase.trouble += [trouble, trouble]
    assert not await cast.store.has_event("x")


async def test_at_some_point_it_is_away(cast: Cast, supabase: Project) -> None:
    supabase.trouble += [GATEWAY] * rest.TRIES
    with pytest.raises(StoreUnavailable):
        await cast.store.has_event("x")


async def test_who_asks_for_a_minute_is_not_waited_for(cast: Cast, supabase: Project) -> None:
    supabase.trouble.append(Trouble(429, "{}", headers={"Retry-After": "60"}))
    with pytest.raises(StoreUnavailable):
        await cast.store.has_event("x")


async def test_what_could_happen_twice_is_tried_again_only_where_nothing_was_done(
    cast: Cast, supabase: Project
) -> None:
    supabase.trouble.append(Trouble(429, "{}", only="mc_create_user"))
    user = await cast.store.create_user("ann@example.org")
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_create_user"))
    with pytest.raises(StoreUnavailable):
        await cast.store.create_user("bob@example.org")
    bob = await cast.store.get_user_by_email("bob@example.org")
    assert bob is not None
    assert bob.id != user.id


async def test_a_message_whose_acceptance_got_lost_is_accepted_once(cast: Cast, supabase: Project) -> None:
    ann = await cast.person()
    row = cast.row(ann)
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_accept"))
    stored = await cast.store.accept(AcceptBatch(row=row))
    assert stored is not None
    assert (stored.id, stored.seq) == (row.id, 1)
    assert await cast.store.accept(AcceptBatch(row=row)) is None
    assert len(await cast.store.pending_lanes(cast.now)) == 1


async def test_a_message_whose_keeping_got_lost_is_kept_once(cast: Cast, supabase: Project) -> None:
    ann = await cast.person()
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_append_message"))
    message = await cast.store.create_chat_message(ann.user.id, cast.said(ann))
    assert message.seq == 1
    assert await cast.store.get_session_messages(ann.user.id, ann.session.id) == [message]


async def test_an_attempt_whose_answer_got_lost_counts_once(cast: Cast, supabase: Project) -> None:
    ann = await cast.person()
    row = await cast.claimed(ann)
    reply = await cast.reply_to(row)
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_mark_outbox"))
    await cast.store.mark_outbox(reply.id, OutboxState.SENDING)
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_end_turn"))
    await cast.store.end_turn(row.id, "w1", TurnState.FAILED)
    found = await cast.store.get_outbox(row.id)
    assert found is not None
    assert found.attempts == 1


async def test_a_turn_whose_record_got_lost_is_recorded_once(cast: Cast, supabase: Project) -> None:
    ann = await cast.person()
    row = await cast.claimed(ann)
    batch = RecordBatch(
        turn_id=row.id,
        rows=(row.id,),
        lease_owner="w1",
        state=TurnState.ANSWERED,
        at=cast.now,
        session_id=ann.session.id,
        messages=(cast.said(ann, row), cast.answer(ann, row)),
        memories=(cast.memory(ann.namespace),),
        usage_of=ann.user.id,
        usage=Usage(1, 2, 3),
    )
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_record_turn"))
    await cast.store.record_turn(batch)
    assert len(await cast.store.get_session_messages(ann.user.id, ann.session.id)) == 2
    assert await cast.store.get_usage(ann.user.id, cast.now.date()) == Usage(1, 2, 3)
    with pytest.raises(StaleMember):
        await cast.store.record_turn(batch)


async def test_what_was_learned_and_lost_is_learned_once(cast: Cast, supabase: Project) -> None:
    ann = await cast.person()
    old, new = await cast.remembered(ann.namespace), cast.memory(ann.namespace)
    state = await cast.store.get_namespace_state(ann.namespace)
    batch = LearnBatch(ann.namespace, state.erase_generation, add=(new,), remove=(old.id,), read_at=state.generation)
    supabase.trouble.append(replace(GATEWAY, done=True, only="mc_apply_learning"))
    learned = await cast.store.apply_learning(batch)
    assert learned.generation == state.generation + 1
    assert [record.id for record in await cast.store.get_mem0_memory_references(ann.namespace)] == [new.id]


@pytest.mark.parametrize("code", ["40001", "40P01", "57P01"])
async def test_what_the_server_rolled_back_is_done_again(cast: Cast, supabase: Project, code: str) -> None:
    supabase.trouble.append(Trouble(500, json.dumps({"code": code, "message": ""}), only="mc_create_user"))
    await cast.store.create_user("cleo@example.org")
    assert await cast.store.get_user_by_email("Cleo@example.org") is not None


async def test_a_cut_connection_is_away(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dropping() as url, store_on(url) as store:
        with pytest.raises(StoreUnavailable):
            await store.open()
        with pytest.raises(StoreUnavailable):
            await store.create_user()


async def test_a_server_that_never_answers_is_away(cast: Cast) -> None:
    async with dropping(silent=True) as url, store_on(url, timeout=0.05) as store:
        with pytest.raises(StoreUnavailable):
            await store.open()


@asynccontextmanager
async def dropping(*, silent: bool = False) -> AsyncIterator[str]:
    """A server that takes a request and hangs up, or says nothing."""
    waiting = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if silent:
            await waiting.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        waiting.set()
        server.close()
        await server.wait_closed()


# ---------------------------------------------------------------------------------------------------- pages


async def test_more_rows_than_a_project_gives_at_once_are_all_found(cast: Cast, server: Server) -> None:
    statement = (
        "insert into public.access_grants (platform, workspace_id, external_id, state, code, changed_at) "
        "select 'console', '', n::text, 'allowed', '', now() from generate_series(1, 1203) n"
    )
    with psycopg.connect(server.url("contract"), autocommit=True) as connection:
        connection.execute(statement.encode())
    assert len({grant.external_id for grant in await cast.store.list_access()}) == 1203


async def test_changes_come_in_pages_of_one_generation(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "PAGE", 3)
    ann = await cast.person()
    kept = [await cast.remembered(ann.namespace) for _ in range(7)]
    changes = await cast.store.get_memory_changes(ann.namespace, 0)
    assert list(changes.records) == kept
    call = cast.store._rest.call  # type: ignore[attr-defined]  # somebody writes between two pages
    late = []

    async def call_and_write(function: str, given: dict[str, object], *, safe: bool = False) -> object:
        found = await call(function, given, safe=safe)
        if function == "mc_memory_changes" and not late:
            late.append(await cast.remembered(ann.namespace))
        return found

    monkeypatch.setattr(cast.store._rest, "call", call_and_write)  # type: ignore[attr-defined]  # as above
    changes = await cast.store.get_memory_changes(ann.namespace, 0)
    assert list(changes.records) == [*kept, *late]
    assert changes.state.generation == late[0].generation


# ---------------------------------------------------------------------------------------------------- the runner


async def test_one_process_runs_the_bot_and_the_next_takes_over(cast: Cast, supabase: Project) -> None:
    await cast.store.take_runner_lock("first")
    await cast.store.take_runner_lock("first")
    async with store_on(supabase.url) as second:
        await second.open()
        with pytest.raises(AnotherRunner):
            await second.take_runner_lock("second")
        await cast.store.release_runner_lock()
        await second.take_runner_lock("second")


async def test_a_runner_that_was_killed_is_over_soon_and_writes_no_more_when_it_comes_back(supabase: Project) -> None:
    async with store_on(supabase.url, lease=0.4) as frozen, store_on(supabase.url, lease=0.4) as second:
        await frozen.open()
        await second.open()
        await frozen.take_runner_lock("frozen")
        keeper = frozen._keeper
        assert keeper is not None
        # As a process that is stopped, or a machine that sleeps: nothing is kept up.
        keeper.cancel()
        with pytest.raises(AnotherRunner):
            await second.take_runner_lock("second")

        await _taken(second)
        await frozen._keep("frozen")
        with pytest.raises(AnotherRunner):
            await frozen.has_event("x")
        with pytest.raises(AnotherRunner):
            await frozen.take_runner_lock("frozen")
        assert not await second.has_event("x")


async def _taken(store: SupabaseStore) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(AnotherRunner):
                return await store.take_runner_lock("next")
            await asyncio.sleep(0.02)


async def test_a_lease_is_kept_up_through_a_failure(supabase: Project, cast: Cast) -> None:
    async with store_on(supabase.url, lease=0.8) as runner, store_on(supabase.url) as second:
        await runner.open()
        await second.open()
        await runner.take_runner_lock("runner")
        supabase.requests.clear()
        supabase.trouble.append(Trouble(400, "{}", only="mc_hold_runner"))
        held = "POST /rest/v1/rpc/mc_hold_runner"
        await eventually(lambda: supabase.requests.count(held) >= 4)
        with pytest.raises(AnotherRunner):
            await second.take_runner_lock("second")


# ---------------------------------------------------------------------------------------------------- beside Postgres


async def test_what_one_way_wrote_the_other_reads(cast: Cast, server: Server) -> None:
    """Several workers on the direct connection, and a process over REST, on one project."""
    ann = await cast.person("Ann\x00\x1a")
    metadata = {"k\x00": ["\x00", {"x": "\x1a"}]}
    direct = PostgresStore(server.url("contract"), ManualClock())
    try:
        written = await direct.update_user(ann.user.id, UserPatch(metadata=metadata))
        assert await cast.store.get_user_by_id(ann.user.id) == written
        over_rest = await cast.store.update_user(ann.user.id, UserPatch(metadata={"again\x00": metadata}))
        assert await direct.get_user_by_id(ann.user.id) == over_rest
        row = await cast.accepted(ann)
        assert await direct.get_turn(ann.user.id, row.id) == row
        await cast.remembered(ann.namespace)
        assert isinstance(cast.store, Auditable)
        audited = [row async for row in cast.store.audit_rows()]
        assert audited == [row async for row in direct.audit_rows()]
        assert {"users", "inbox", "mem0_memories"} <= {row.table for row in audited}
        assert {sealed.text for row in audited for _, sealed in row.sealed} == {"sealed text", "a fact"}
    finally:
        await direct.close()
