"""Calls to a Supabase project: rows by `table()`, functions by `rpc()`, each tried again where that is safe."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, Self, TypeVar

import httpx
from postgrest import CountMethod
from sqlalchemy import Table

from adapters.stores.sql.rows import AnyRow
from adapters.stores.supabase.faults import FOREIGN, Refusal, refuse, verdict
from adapters.stores.supabase.values import rows_of, to_json
from core.errors import AnotherRunner, StoreUnavailable
from supabase import AsyncClient, AsyncClientOptions

T = TypeVar("T")

TRIES = 4
FIRST_PAUSE = 0.1
"""Seconds; doubled at every try, with jitter."""
LONGEST_PAUSE = 5.0
"""Seconds. A server that asks for more is told to the caller as away."""
PAGE = 500
"""Rows a request; a project gives at most 1,000 unless its settings say otherwise."""


class Filters(Protocol):
    """The part of the client's builder that conditions beyond equality use."""

    def neq(self, column: str, value: Any) -> Self: ...
    def gt(self, column: str, value: Any) -> Self: ...
    def gte(self, column: str, value: Any) -> Self: ...
    def lte(self, column: str, value: Any) -> Self: ...
    def in_(self, column: str, values: Any) -> Self: ...
    def or_(self, filters: str) -> Self: ...


class Builder(Filters, Protocol):
    def eq(self, column: str, value: Any) -> Self: ...
    def is_(self, column: str, value: Any) -> Self: ...
    def execute(self) -> Awaitable[Any]: ...


More = Callable[[Filters], object]
B = TypeVar("B", bound=Builder)


class Rest:
    """`timeout` in seconds is that of one request."""

    def __init__(self, url: str, key: str, *, timeout: float = 10.0) -> None:
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30),
            event_hooks={"response": [refuse]},
            verify=_certificates(),
        )
        options = AsyncClientOptions(
            auto_refresh_token=False, persist_session=False, postgrest_client_retry=False, httpx_client=self._http
        )
        # Nobody signs in on it: that would replace the key by theirs.
        self._client: AsyncClient | None = AsyncClient(url, key, options)
        self.overtaken = False
        """Another process runs the bot now: nothing is read or written here any more."""

    async def close(self) -> None:
        """Idempotent."""
        self._client = None
        await self._http.aclose()

    async def call(self, function: str, arguments: Mapping[str, object] | None = None, *, safe: bool = False) -> Any:
        """The JSON that the function returns. `safe`: called twice it does once; `again` tells such a function that it
        is called a second time."""
        given = to_json(arguments)

        async def send(again: bool) -> Any:
            body = {} if given is None else {"p": {**given, "again": again} if safe else given}
            return (await self._open().rpc(function, body).execute()).data

        return await self._tried(send, safe)

    async def find(
        self,
        table: Table,
        equal: Mapping[str, object],
        more: More | None = None,
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[AnyRow]:
        """Rows whose columns are equal (None: are null) and which `more` lets through, in pages. `order` are columns,
        with `-` before them downwards."""
        found: list[AnyRow] = []
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page = await self._page(table, equal, more, order, size, offset + len(found))
            found += page
            if len(page) < size:
                break
        return found

    async def first(
        self, table: Table, equal: Mapping[str, object], more: More | None = None, *, order: Sequence[str] = ()
    ) -> AnyRow | None:
        found = await self.find(table, equal, more, order=order, limit=1)
        return found[0] if found else None

    async def count(self, table: Table, equal: Mapping[str, object], more: More | None = None) -> int:
        async def send(_: bool) -> int:
            counted = self._open().table(table.name).select("*", count=CountMethod.exact, head=True)
            return (await _where(counted, equal, more).execute()).count or 0

        return await self._tried(send, True)

    async def add(
        self,
        table: Table,
        values: Mapping[str, object],
        *,
        key: Sequence[str] = (),
        replace: bool = False,
        safe: bool = False,
    ) -> list[AnyRow]:
        """The row as stored. With a `key` that is there already: `[]`, or the row changed when `replace`."""
        given = to_json(values)

        async def send(_: bool) -> list[AnyRow]:
            builder = self._open().table(table.name)
            if not key:
                return rows_of(table, (await builder.insert(given).execute()).data)
            adding = builder.upsert(given, on_conflict=",".join(key), ignore_duplicates=not replace)
            return rows_of(table, (await adding.execute()).data)

        return await self._tried(send, safe or replace)

    async def change(
        self,
        table: Table,
        values: Mapping[str, object],
        equal: Mapping[str, object],
        more: More | None = None,
        *,
        safe: bool = True,
    ) -> list[AnyRow]:
        """The rows after the change; with nothing to change as they are."""
        if not values:
            return await self.find(table, equal, more)
        given = to_json(values)

        async def send(_: bool) -> list[AnyRow]:
            changing = _where(self._open().table(table.name).update(given), equal, more)
            return rows_of(table, (await changing.execute()).data)

        return await self._tried(send, safe)

    async def drop(
        self, table: Table, equal: Mapping[str, object], more: More | None = None, *, safe: bool = False
    ) -> list[AnyRow]:
        """The rows that went."""

        async def send(_: bool) -> list[AnyRow]:
            dropping = _where(self._open().table(table.name).delete(), equal, more)
            return rows_of(table, (await dropping.execute()).data)

        return await self._tried(send, safe)

    def _open(self) -> AsyncClient:
        if self._client is None:
            raise StoreUnavailable("closed")
        if self.overtaken:
            raise AnotherRunner
        return self._client

    async def _page(
        self,
        table: Table,
        equal: Mapping[str, object],
        more: More | None,
        order: Sequence[str],
        size: int,
        offset: int,
    ) -> list[AnyRow]:
        async def send(_: bool) -> list[AnyRow]:
            builder = _where(self._open().table(table.name).select("*"), equal, more)
            for column in order:
                builder = builder.order(column.removeprefix("-"), desc=column.startswith("-"))
            return rows_of(table, (await builder.limit(size).offset(offset).execute()).data)

        return await self._tried(send, True)

    async def _tried(self, send: Callable[[bool], Awaitable[T]], safe: bool) -> T:
        """Again where the server certainly did nothing, or where doing it twice does no harm."""
        pause = FIRST_PAUSE
        again = False
        for left in reversed(range(TRIES)):
            try:
                return await send(again)
            except FOREIGN as error:
                found = verdict(error)
                asked = error.after if isinstance(error, Refusal) else None
                if not (left and found.may_work and (safe or found.nothing_done)) or (asked or 0) > LONGEST_PAUSE:
                    raise found.error from None
                again = again or not found.nothing_done
            await asyncio.sleep(max(asked or 0.0, pause * (0.5 + random.random())))  # noqa: S311  # jitter, no secret
            pause *= 2
        raise AssertionError("unreachable")


@cache
def _certificates() -> ssl.SSLContext:
    """Loaded once, which takes 40 ms."""
    return httpx.create_ssl_context()


def _where(builder: B, equal: Mapping[str, object], more: More | None) -> B:
    for column, value in equal.items():
        builder = builder.is_(column, None) if value is None else builder.eq(column, to_json(value))
    if more is not None:
        more(builder)
    return builder
