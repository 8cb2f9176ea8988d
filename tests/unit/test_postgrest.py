"""The stand-in for PostgREST answers as its documentation says, to the very client that the store uses.

Source: docs.postgrest.org 13, "Errors" and "Tables and Views"; supabase.com/docs, "API keys".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import psycopg
import pytest
from postgrest import APIError, CountMethod

from supabase import AsyncClient, AsyncClientOptions
from tests.support.postgres import postgres_server
from tests.support.postgrest import MAX_ROWS, PUBLIC_KEY, SECRET_KEY, Project, project, service_jwt


@pytest.fixture(scope="module")
def supabase() -> Iterator[Project]:
    with postgres_server() as server, project(server.fresh("rest")) as started:
        with psycopg.connect(started.database, autocommit=True) as connection:
            connection.execute(
                "insert into public.notices (key, at) select 'n' || n, now() + n * interval '1 second' "
                f"from generate_series(1, {MAX_ROWS + 5}) n".encode()
            )
        yield started


@pytest.fixture
async def client(supabase: Project) -> AsyncIterator[AsyncClient]:
    async with httpx.AsyncClient() as http:
        yield client_of(supabase, SECRET_KEY, http)


def client_of(supabase: Project, key: str, http: httpx.AsyncClient) -> AsyncClient:
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    return AsyncClient(supabase.url, key, options)


async def test_rows_are_filtered_ordered_and_cut_at_the_projects_limit(client: AsyncClient) -> None:
    everything = await client.table("notices").select("*").execute()
    assert len(everything.data) == MAX_ROWS
    some = (
        await client.table("notices")
        .select("*")
        .in_("key", ["n1", "n2", "n,3", 'n"4'])
        .order("key", desc=True)
        .execute()
    )
    assert [row["key"] for row in some.data] == ["n2", "n1"]
    page = await client.table("notices").select("*").order("at").limit(2).offset(3).execute()
    assert [row["key"] for row in page.data] == ["n4", "n5"]
    either = await client.table("notices").select("*").or_('key.eq."n7",key.is.null').execute()
    assert [row["key"] for row in either.data] == ["n7"]


async def test_a_count_needs_no_rows(client: AsyncClient) -> None:
    counted = await client.table("notices").select("*", count=CountMethod.exact, head=True).execute()
    assert (counted.count, counted.data) == (MAX_ROWS + 5, [])


async def test_one_row_or_the_other_error(client: AsyncClient) -> None:
    one = await client.table("notices").select("*").eq("key", "n1").single().execute()
    assert one.data["key"] == "n1"
    for key in ("n1", "nobody"):
        query = client.table("notices").select("*")
        query = query.neq("key", key) if key == "n1" else query.eq("key", key)
        with pytest.raises(APIError) as refused:
            await query.single().execute()
        assert refused.value.code == "PGRST116"


async def test_a_key_that_is_there_is_refused_passed_over_or_replaced(client: AsyncClient) -> None:
    row = {"key": "n1", "at": "2030-01-01T00:00:00+00:00"}
    with pytest.raises(APIError) as refused:
        await client.table("notices").insert(row).execute()
    assert refused.value.code == "23505"
    assert "already exists" in str(refused.value.details)
    passed = await client.table("notices").upsert(row, on_conflict="key", ignore_duplicates=True).execute()
    assert passed.data == []
    replaced = await client.table("notices").upsert(row, on_conflict="key").execute()
    assert replaced.data == [row]


async def test_nothing_changes_or_goes_without_a_condition(client: AsyncClient) -> None:
    for query in (client.table("notices").delete(), client.table("notices").update({"key": "x"})):
        with pytest.raises(APIError) as refused:
            await query.execute()
        assert refused.value.code == "21000"


UNKNOWN = [("nothing", "select", "PGRST205", 404), ("notices", "insert", "PGRST204", 400)]


@pytest.mark.parametrize(("table", "verb", "code", "status"), UNKNOWN)
async def test_unknown_names(supabase: Project, table: str, verb: str, code: str, status: int) -> None:
    headers = {"apikey": SECRET_KEY, "Authorization": f"Bearer {SECRET_KEY}"}
    url = f"{supabase.url}/rest/v1/{table}"
    async with httpx.AsyncClient(headers=headers) as http:
        answer = await (http.get(url) if verb == "select" else http.post(url, json={"nobody": 1}))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "details", "hint"}


KEYS = [
    (SECRET_KEY, 200, ""),
    (service_jwt(), 200, ""),
    (PUBLIC_KEY, 401, "42501"),
    (service_jwt("authenticated"), 403, "42501"),
    ("sb_secret_of_nobody", 401, None),
]


@pytest.mark.parametrize(("key", "status", "code"), KEYS)
async def test_the_key_decides_the_role(supabase: Project, key: str, status: int, code: str | None) -> None:
    async with httpx.AsyncClient(headers={"apikey": key, "Authorization": f"Bearer {key}"}) as http:
        answer = await http.post(f"{supabase.url}/rest/v1/rpc/mc_has_sealed_rows", json={})
    assert answer.status_code == status
    assert answer.json() == (False if status == 200 else answer.json())
    if status != 200:
        assert answer.json()["code"] == code


async def test_functions_are_found_by_their_arguments_and_run_in_one_transaction(client: AsyncClient) -> None:
    with pytest.raises(APIError) as unknown:
        await client.rpc("mc_has_sealed_rows", {"p": {}}).execute()
    assert unknown.value.code == "PGRST202"
    with pytest.raises(APIError) as ours:
        await client.rpc("mc_erase_user", {"p": {"user_id": "nobody", "removed": {}}}).execute()
    assert (ours.value.code, ours.value.message) == ("MC000", "NotFound")
