"""Every exception of the Supabase client becomes one of ours here and nowhere else. None carries a value of a request.

A refusal is known by its HTTP status and by the code in PostgREST's body: Postgres's five characters, `PGRST…` of its
own, or `MC000` with the name of the error that one of our functions raised.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from postgrest import APIError

from adapters.stores.sql.faults import of_sqlstate
from core import errors
from core.errors import MemoryChatError, SchemaMismatch, StoreError, StoreUnavailable

OURS = "MC000"
NO_SERVER = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
"""PostgREST got no connection to its database. Source: docs.postgrest.org, errors, group 0."""
NOT_THERE = frozenset({"PGRST200", "PGRST202", "PGRST203", "PGRST204", "PGRST205", "42883", "42P01", "42703"})
"""No such function, table or column: the schema is not ours, or not of this version."""
REFUSED = "key refused"
ROLLED_BACK = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03"})
"""Serialization failures, deadlocks, locks, and a server that is being restarted."""


class Refusal(Exception):
    """An HTTP status of 400 and above. `after` is in seconds, as the server asked for."""

    def __init__(self, status: int, code: str, name: str = "", after: float | None = None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.name = name
        self.after = after


FOREIGN = (Refusal, APIError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`may_work`: the same call may work a moment later. `nothing_done`: certainly nothing was written."""

    error: MemoryChatError
    may_work: bool = False
    nothing_done: bool = False


async def refuse(response: httpx.Response) -> None:
    """A response hook: raises Refusal, so that status and code reach us whatever the client makes of the body."""
    if response.status_code < 400:
        return
    try:
        body = (await response.aread() and response.json()) or {}
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    code = str(body.get("code") or "")
    after = response.headers.get("Retry-After", "")
    raise Refusal(
        response.status_code,
        code,
        str(body.get("message") or "") if code == OURS else "",
        float(after) if after.isdigit() else None,
    )


def verdict(error: BaseException) -> Verdict:
    """What an exception of the client means, and whether to ask again."""
    if isinstance(error, Refusal):
        return _of_refusal(error)
    unavailable = StoreUnavailable(type(error).__name__)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return Verdict(unavailable, may_work=True, nothing_done=True)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects | httpx.DecodingError):
        return Verdict(StoreError(type(error).__name__))
    if isinstance(error, httpx.TransportError | httpx.StreamError | OSError):
        return Verdict(unavailable, may_work=True)
    return Verdict(StoreError(type(error).__name__))


def as_store_error(error: BaseException) -> MemoryChatError:
    return verdict(error).error


def _of_refusal(refusal: Refusal) -> Verdict:
    status, code = refusal.status, refusal.code
    if code == OURS:
        return Verdict(_named(refusal.name))
    if code in NOT_THERE:
        return Verdict(SchemaMismatch(code))
    if code in NO_SERVER or status == 429:
        return Verdict(StoreUnavailable(code or str(status)), may_work=True, nothing_done=True)
    if code and not code.startswith("PGRST"):
        return Verdict(of_sqlstate(code), may_work=code in ROLLED_BACK, nothing_done=code in ROLLED_BACK)
    if status in (401, 403) or code.startswith("PGRST3"):
        # A key being changed; `open` says so in a sentence.
        return Verdict(StoreUnavailable(REFUSED))
    if status >= 500 or status == 408:
        return Verdict(StoreUnavailable(code or str(status)), may_work=True)
    return Verdict(StoreError(code or str(status)))


def _named(name: str) -> MemoryChatError:
    kind = getattr(errors, name, None)
    return kind() if isinstance(kind, type) and issubclass(kind, MemoryChatError) else StoreError(OURS)
