"""The door for harnesses from outside: one JSON object a line on stdin, one line of JSON on stdout for each.

`python -m bench.retrieval serve`: {"op":"add","namespace","id","speaker","text","timestamp"} and {"op":"flush"} are
answered with {"ok":true}, {"op":"search","namespace","query","k"} with {"ids":[…]}, best first, {"op":"stats"} with
{"index_bytes":…}; whatever is wrong with a line with {"error":…}. Names and ids are free text; no model is called.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from bench.archive import Archive, Said, archive
from core.errors import MemoryChatError

MOST_FOUND = 1_000
MILLISECONDS_FROM = 1e11
"""Numbers beyond this are milliseconds: as seconds it would be the year 5138."""


class Refused(Exception):
    """What is wrong with a line, for whoever sent it."""


async def serve() -> None:
    """One JSON object a line: `add`, `flush`, `search`, `stats`. Every line gets one line, a mistake `{"error": …}`."""
    async with archive() as store:
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            if line.strip():
                print(json.dumps(await _answered(store, line)), flush=True)


async def _answered(store: Archive, line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict) or _text(request, "op") not in _OPERATIONS:
            raise Refused(f"an object with `op`, one of {', '.join(_OPERATIONS)}")
        return await _OPERATIONS[request["op"]](store, request)
    except Refused as error:
        return {"error": str(error)}
    except MemoryChatError as error:
        return {"error": error.user_message}
    except Exception as error:  # whatever a line does, the next one is answered
        return {"error": type(error).__name__}


async def _add(store: Archive, request: Request) -> dict[str, object]:
    """Once more the same is fine; another text under a name that is taken is not."""
    said = said_of(request)
    taken = store.texts.setdefault((said.namespace, said.id), said.text)
    if taken != said.text:
        raise Refused("`id`: taken by another text of this namespace")
    try:
        await store.add(said)
    except MemoryChatError:
        del store.texts[said.namespace, said.id]
        raise
    return {"ok": True}


async def _flush(store: Archive, request: Request) -> dict[str, object]:
    """What was added is searchable already."""
    return {"ok": True}


async def _search(store: Archive, request: Request) -> dict[str, object]:
    namespace, query, count = _text(request, "namespace"), _text(request, "query"), request.get("k")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise Refused("`k`: a whole number, 0 or more")
    if not count:
        return {"ids": []}
    return {"ids": await store.search(namespace, query, min(count, MOST_FOUND))}


async def _stats(store: Archive, request: Request) -> dict[str, object]:
    """The vectors as float32 and the texts, which is what the index holds in memory."""
    total = 0
    for space in store.namespaces.values():
        memories = await store.memory.get_memories(space, limit=1_000_000)
        total += sum(384 * 4 + len(memory.text.encode("utf-8", "replace")) for memory in memories)
    return {"index_bytes": total}


Request = dict[str, object]
_OPERATIONS: dict[str, Callable[[Archive, Request], Awaitable[dict[str, object]]]] = {
    "add": _add,
    "flush": _flush,
    "search": _search,
    "stats": _stats,
}


def said_of(row: Mapping[str, object]) -> Said:
    """Raises Refused."""
    name, namespace, text = _text(row, "id"), _text(row, "namespace"), _text(row, "text")
    return Said(name, namespace, _text(row, "speaker", ""), text, _moment(row.get("timestamp")))


def _text(row: Mapping[str, object], field: str, default: str | None = None) -> str:
    value = row.get(field, default)
    if not isinstance(value, str):
        raise Refused(f"`{field}`: a text")
    return value


def _moment(given: object) -> datetime:
    """ISO 8601 or LoCoMo's form, without a zone in UTC; seconds or milliseconds since 1970; nothing: now."""
    if given is None or given == "":
        return datetime.now(UTC)
    try:
        if isinstance(given, str) and not given.strip().isdecimal():
            return locomo_time(given.strip()) or _in_utc(datetime.fromisoformat(given.strip()))
        if isinstance(given, str | int | float) and not isinstance(given, bool):
            seconds = float(given)
            return datetime.fromtimestamp(seconds / 1_000 if abs(seconds) > MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused("`timestamp`: ISO 8601, or seconds since 1970")


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def locomo_time(text: str) -> datetime | None:
    """`1:56 pm on 8 May, 2023`."""
    for form in ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %b, %Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
