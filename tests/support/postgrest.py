"""What a Supabase project answers over REST, on a real Postgres: the part of PostgREST that our store uses.

Source: docs.postgrest.org 13 (tables and views, functions as RPC, errors) and supabase.com/docs (keys, row limit,
safeupdate). Every request is one transaction under the role of its key, as it is there; a STABLE function only reads.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import psycopg
import uvicorn
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SECRET_KEY = "sb_secret_of_the_tests"
PUBLIC_KEY = "sb_publishable_of_the_tests"
JWT_SECRET = "the legacy secret of a project in the tests"
MAX_ROWS = 1000
"""A project's own limit, unless its settings say otherwise."""
_ROLES = {SECRET_KEY: "service_role", PUBLIC_KEY: "anon"}
_OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_RESERVED = {"select", "order", "limit", "offset", "columns", "on_conflict"}
_STATUS = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "23503": 409, "23505": 409, "25006": 405, "25": 500, "28": 403,
    "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53400": 500, "53": 503, "54": 413, "55": 500, "57P01": 503,
    "57": 500, "58": 500, "F0": 500, "HV": 500, "P0001": 400, "P0": 500, "XX": 500, "42883": 404, "42P01": 404,
    "42P17": 500,
}  # fmt: skip


class RestError(Exception):
    def __init__(self, status: int, code: str | None, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "details": details, "hint": None}


@dataclass
class Trouble:
    """The answer to one request to come. `done`: what was asked for happens all the same."""

    status: int
    body: str = ""
    done: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    only: str = ""
    """A part of the path; other requests are answered as ever."""


@dataclass
class Project:
    """`url` is what SUPABASE_URL would be."""

    url: str
    database: str
    trouble: deque[Trouble] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    """Method and path of each."""


def service_jwt(role: str = "service_role") -> str:
    """A key in the old form."""
    return jwt.encode({"role": role, "iss": "supabase", "ref": "tests"}, JWT_SECRET, algorithm="HS256")


@contextmanager
def project(database: str) -> Iterator[Project]:
    """A project on a database that has the schema; in a thread of its own, on a loopback port."""
    found = Project("", database)
    server = uvicorn.Server(uvicorn.Config(_app(found), host="127.0.0.1", port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    found.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.should_exit = True
        thread.join(10)


def _app(found: Project) -> Starlette:
    # As the real one does, it connects anew when a test cuts its connections.
    check = AsyncConnectionPool.check_connection
    pool = AsyncConnectionPool(found.database, min_size=2, max_size=10, open=False, timeout=5, check=check)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    async def answer(request: Request) -> Response:
        found.requests.append(f"{request.method} {request.url.path}")
        trouble = found.trouble[0] if found.trouble and found.trouble[0].only in request.url.path else None
        if trouble is not None:
            found.trouble.popleft()
        response = None
        if trouble is None or trouble.done:
            response = await _answer(pool, request)
        if trouble is not None or response is None:
            assert trouble is not None
            return Response(trouble.body, trouble.status, trouble.headers)
        return response

    methods = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
    routes = [Route("/rest/v1/rpc/{name}", answer, methods=methods), Route("/rest/v1/{name}", answer, methods=methods)]
    return Starlette(routes=routes, lifespan=lifespan)


async def _answer(pool: AsyncConnectionPool[Any], request: Request) -> Response:
    role = ""
    try:
        role = _role(request)
        body = await request.body()
        async with pool.connection() as connection:
            return await _Call(connection, request, body, role).answer()
    except RestError as error:
        return _json(error.body, error.status)
    except PoolTimeout:
        return _json(RestError(504, "PGRST003", "Timed out acquiring connection from connection pool.").body, 504)
    except psycopg.Error as error:
        code = error.sqlstate or "PGRST000"
        status = next((_STATUS[code[:length]] for length in (5, 2) if code[:length] in _STATUS), 400)
        if code == "42501":
            status = 401 if role == "anon" else 403
        if code == "PGRST000":
            status = 503
        said = error.diag
        body_ = {
            "code": code,
            "message": said.message_primary,
            "details": said.message_detail,
            "hint": said.message_hint,
        }
        return _json(body_, status)


def _role(request: Request) -> str:
    key = request.headers.get("apikey", "")
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key in _ROLES and bearer == key:
        return _ROLES[key]
    try:
        return str(jwt.decode(key, JWT_SECRET, algorithms=["HS256"])["role"])
    except (jwt.InvalidTokenError, KeyError):
        raise RestError(401, None, "Invalid API key") from None


def _json(body: object, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, media_type="application/json")


class _Call:
    def __init__(self, connection: psycopg.AsyncConnection[Any], request: Request, body: bytes, role: str) -> None:
        self._connection = connection
        self._request = request
        self._body = body
        self._role = role
        self._name = str(request.path_params["name"])
        self._query = list(request.query_params.multi_items())
        self._prefer = {item.strip() for item in request.headers.get("prefer", "").split(",")}

    async def answer(self) -> Response:
        if "/rpc/" in self._request.url.path:
            return await self._rpc()
        if not re.fullmatch(r"[a-z0-9_]+", self._name) or not await self._exists():
            raise RestError(404, "PGRST205", f"Could not find the table 'public.{self._name}' in the schema cache")
        await self._begin(read_only=self._request.method in ("GET", "HEAD"))
        if self._request.method in ("GET", "HEAD"):
            return await self._select()
        return await self._write()

    async def _begin(self, *, read_only: bool) -> None:
        if read_only:
            await self._connection.execute("set transaction read only")
        await self._connection.execute(sql.SQL("set local role {}").format(sql.Identifier(self._role)))
        claims = json.dumps({"role": self._role})
        await self._connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])

    async def _exists(self) -> bool:
        found = await self._connection.execute("select to_regclass('public.' || quote_ident(%s))", [self._name])
        return (await found.fetchone() or (None,))[0] is not None

    # ------------------------------------------------------------------ functions

    async def _rpc(self) -> Response:
        given = json.loads(self._body or b"{}")
        found = await self._connection.execute(
            "select coalesce(proargnames, '{}'), provolatile <> 'v', prorettype = 'void'::regtype from pg_proc "
            "where proname = %s and pronamespace = 'public'::regnamespace",
            [self._name],
        )
        function = next((row for row in await found.fetchall() if set(row[0]) == set(given)), None)
        if function is None:
            raise RestError(404, "PGRST202", f"Could not find the function public.{self._name} in the schema cache")
        _, read_only, is_void = function
        # The look above was a transaction of its own.
        await self._connection.commit()
        await self._begin(read_only=read_only)
        arguments = sql.SQL(", ").join(sql.SQL("{} => %s::json").format(sql.Identifier(name)) for name in given)
        call = sql.SQL("select to_json(public.{}({}))::text").format(sql.Identifier(self._name), arguments)
        if is_void:
            call = sql.SQL("select public.{}({})::text").format(sql.Identifier(self._name), arguments)
        answered = await self._connection.execute(call, [json.dumps(value) for value in given.values()])
        row = await answered.fetchone()
        if is_void:
            return Response(status_code=204)
        return Response((row or (None,))[0] or "null", media_type="application/json")

    # ------------------------------------------------------------------ tables

    async def _select(self) -> Response:
        query = dict(self._query)
        if query.get("select", "*") != "*":
            raise RestError(400, "PGRST100", "only select=* is stood in for")
        where, values = self._where()
        table = sql.Identifier("public", self._name)
        total = "*"
        if "count=exact" in self._prefer:
            counted = await self._connection.execute(sql.SQL("select count(*) from {} {}").format(table, where), values)
            total = str((await counted.fetchone() or (0,))[0])
        limit = min(int(query.get("limit", MAX_ROWS)), MAX_ROWS)
        offset = int(query.get("offset", 0))
        page = sql.SQL("select * from {} {} {} limit {} offset {}").format(
            table, where, self._order(query.get("order", "")), sql.Literal(limit), sql.Literal(offset)
        )
        body, count = await self._rows(page, values)
        shown = f"{offset}-{offset + count - 1}" if count else "*"
        headers = {"Content-Range": f"{shown}/{total}"}
        if "pgrst.object" in self._request.headers.get("accept", ""):
            if count != 1:
                details = f"The result contains {count} rows"
                raise RestError(406, "PGRST116", "Cannot coerce the result to a single JSON object", details)
            body = json.dumps(json.loads(body)[0])
        if self._request.method == "HEAD":
            body = ""
        return Response(body, 200, headers, media_type="application/json")

    async def _write(self) -> Response:
        method = self._request.method
        where, values = self._where()
        table = sql.Identifier("public", self._name)
        if method == "POST":
            statement = self._insert(table)
            values = [self._body.decode()]
        elif not values:
            # The extension that every project has switched on.
            verb = "UPDATE" if method == "PATCH" else "DELETE"
            raise RestError(400, "21000", f"{verb} requires a WHERE clause")
        elif method == "PATCH":
            statement = self._update(table, where)
            values = [self._body.decode(), *values]
        else:
            statement = sql.SQL("delete from {} {}").format(table, where)
        try:
            body, _ = await self._rows(sql.SQL("{} returning *").format(statement), values)
        except psycopg.errors.UndefinedColumn:
            raise RestError(400, "PGRST204", "Could not find a column in the schema cache") from None
        if "return=representation" not in self._prefer:
            return Response(status_code=204)
        return Response(body, 201 if method == "POST" else 200, media_type="application/json")

    def _insert(self, table: sql.Composable) -> sql.Composed:
        given = json.loads(self._body)
        many = isinstance(given, list)
        columns = [sql.Identifier(name) for name in (given[0] if many else given)]
        names = sql.SQL(", ").join(columns)
        source = sql.SQL("json_populate_recordset" if many else "json_populate_record")
        conflict: sql.Composable = sql.SQL("")
        key = dict(self._query).get("on_conflict", "")
        target = sql.SQL(", ").join(sql.Identifier(name) for name in key.split(",")) if key else None
        if "resolution=ignore-duplicates" in self._prefer and target:
            conflict = sql.SQL("on conflict ({}) do nothing").format(target)
        if "resolution=merge-duplicates" in self._prefer and target:
            changed = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in columns)
            conflict = sql.SQL("on conflict ({}) do update set {}").format(target, changed)
        return sql.SQL("insert into {0} ({1}) select {1} from {2}(null::{0}, %s::json) t {3}").format(
            table, names, source, conflict
        )

    def _update(self, table: sql.Composable, where: sql.Composable) -> sql.Composed:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in json.loads(self._body))
        return sql.SQL("update {0} set ({1}) = (select {1} from json_populate_record(null::{0}, %s::json)) {2}").format(
            table, names, where
        )

    async def _rows(self, statement: sql.Composed, values: list[str]) -> tuple[str, int]:
        whole = sql.SQL("with w as ({}) select coalesce(json_agg(w), '[]')::text, count(*) from w").format(statement)
        found = await self._connection.execute(whole, values)
        body, count = await found.fetchone() or ("[]", 0)
        return body, count

    # ------------------------------------------------------------------ filters

    def _where(self) -> tuple[sql.Composable, list[str]]:
        values: list[str] = []
        parts = []
        for name, text in self._query:
            if name in _RESERVED:
                continue
            if name == "or":
                each = [item.split(".", 1) for item in _items(text[1:-1], unquote=False)]
                inner = [_condition(column, rest, values, quoted=True) for column, rest in each]
                parts.append(sql.SQL("({})").format(sql.SQL(" or ").join(inner)))
            else:
                parts.append(_condition(name, text, values))
        return (sql.SQL("where {}").format(sql.SQL(" and ").join(parts)) if parts else sql.SQL("")), values

    def _order(self, text: str) -> sql.Composable:
        if not text:
            return sql.SQL("")
        terms = []
        for item in text.split(","):
            column, _, direction = item.partition(".")
            terms.append(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL("desc" if direction == "desc" else "asc"))
            )
        return sql.SQL("order by {}").format(sql.SQL(", ").join(terms))


def _condition(column: str, text: str, values: list[str], *, quoted: bool = False) -> sql.Composable:
    operator, _, value = text.partition(".")
    name = sql.Identifier(column)
    if operator == "is" and value in ("null", "true", "false"):
        return sql.SQL("{} is {}").format(name, sql.SQL(value))
    if operator == "in":
        items = _items(value[1:-1])
        values += items
        # No item at all is allowed and finds nothing.
        return sql.SQL("{} in ({})").format(name, sql.SQL(", ").join([sql.SQL("%s")] * len(items) or [sql.SQL("null")]))
    if operator not in _OPERATORS:
        raise RestError(400, "PGRST100", "failed to parse filter")
    values.append(_items(value)[0] if quoted and value.startswith('"') else value)
    return sql.SQL("{} {} %s").format(name, sql.SQL(_OPERATORS[operator]))


def _items(text: str, *, unquote: bool = True) -> list[str]:
    """Split at commas outside quotes; a backslash takes the next character as it is."""
    found = re.findall(r'((?:[^",]|"(?:[^"\\]|\\.)*")+)', text)
    if not unquote:
        return found
    return [re.sub(r"\\(.)", r"\1", item[1:-1]) if item.startswith('"') else item for item in found]
