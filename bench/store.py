"""Latency of the store's hot calls on SQLite and the bytes they write, beside a bare insert on the same disk.

`python -m bench.store`. The control is one sqlite3 insert and commit under the same pragmas: what the disk alone costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from adapters.clock import SystemClock
from adapters.stores.sql import SqlStore
from bench.table import Row, percentile, publish
from core.batches import AcceptBatch, RecordBatch
from core.messages import InboxRow, OutboxRow, ReplyAddress, ReplyKind, Stamp
from core.sealing import Sealed
from core.types import (
    Audience,
    ChatMessage,
    ConversationKind,
    Lane,
    MemoryId,
    MemoryRecord,
    MemoryState,
    MessageId,
    Place,
    PlatformName,
    PrivacyMode,
    Role,
    SessionId,
    TurnId,
    TurnState,
    Usage,
    new_id,
)

T = TypeVar("T")

PLATFORM = PlatformName("bench")
CLOCK = SystemClock()
TEXT = Sealed("x" * 400, "key")
VECTOR = Sealed("v" * 2_800, "key")
CONTROL = "a bare sqlite3 insert"
PACED = "turns/s paced"
TURNS = 200
TALKERS = 50


@dataclass(frozen=True)
class Talker:
    stamp: Stamp
    address: ReplyAddress


async def talker(store: SqlStore, name: str) -> Talker:
    identity, _ = await store.resolve_identity(PLATFORM, "", name, name)
    place = Place(PLATFORM, "", name)
    chat = await store.resolve_conversation(place, ConversationKind.PRIVATE)
    profile = await store.get_default_memory_profile(identity.user_id)
    session = await store.create_chat_session(identity.user_id, profile.id, PrivacyMode.NORMAL, conversation_id=chat.id)
    stamp = Stamp(
        chat.id,
        SessionId(session.id),
        identity.user_id,
        identity.id,
        identity.user_id,
        profile.id,
        PrivacyMode.NORMAL,
        Audience.ASKER,
        (profile.namespace,),
        profile.namespace,
    )
    return Talker(stamp, ReplyAddress(place, ConversationKind.PRIVATE, name))


def message_from(who: Talker) -> AcceptBatch:
    now = CLOCK.now()
    return AcceptBatch(
        row=InboxRow(
            id=TurnId(new_id()),
            event_key=new_id(),
            stamp=who.stamp,
            address=who.address,
            content=TEXT,
            lane=Lane.MAIN,
            mergeable=True,
            is_command=False,
            state=TurnState.ACCEPTED,
            sent_at=now,
            accepted_at=now,
        )
    )


def record_of(who: Talker, head: InboxRow, reply: OutboxRow) -> RecordBatch:
    now, namespace = CLOCK.now(), who.stamp.recall[0]
    said = ChatMessage(
        MessageId(new_id()), head.stamp.session_id, Role.USER, TEXT, now, turn_id=head.id, namespace=namespace
    )
    answer = replace(said, id=MessageId(new_id()), role=Role.ASSISTANT, namespace=None)
    memory = MemoryRecord(MemoryId(new_id()), namespace, TEXT, VECTOR, "bench/384", MemoryState.RECENT, now, now, now)
    return RecordBatch(
        turn_id=head.id,
        rows=(head.id,),
        lease_owner="bench",
        state=TurnState.ANSWERED,
        at=now,
        session_id=head.stamp.session_id,
        messages=(said, answer),
        memories=(memory,),
        erase_generations=((namespace, 0),),
        outbox=replace(reply, content=TEXT),
        usage_of=who.stamp.author_id,
        usage=Usage(1, 100, 50),
    )


class Stopwatch:
    """Milliseconds by name, in the order of first use."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    async def timed(self, name: str, work: Awaitable[T]) -> T:
        start = time.perf_counter()
        result = await work
        self.times.setdefault(name, []).append((time.perf_counter() - start) * 1000)
        return result

    def rows(self) -> list[Row]:
        """The median of each, beside a bare insert with the same durability; the 95th percentile of the paced ones."""
        control = percentile(self.times.pop(CONTROL), 0.5)
        return [
            Row(f"{name}, p95", percentile(times, 0.95), "ms")
            if PACED in name
            else Row(f"{name}, p50", percentile(times, 0.5), "ms", None, control, CONTROL)
            for name, times in self.times.items()
        ]


async def one_turn(store: SqlStore, who: Talker, watch: Stopwatch, label: str = "") -> None:
    """Everything that the store does for one message, from its arrival to the sent reply."""
    assert await watch.timed(f"accept{label}", store.accept(message_from(who))) is not None
    now = CLOCK.now()
    lease = now + timedelta(seconds=15)
    claim = store.claim_turn(who.stamp.conversation_id, Lane.MAIN, "bench", lease, now)
    (head,) = await watch.timed(f"claim_turn{label}", claim)
    reply = await watch.timed(f"open_outbox{label}", store.open_outbox(OutboxRow.of(head, ReplyKind.ANSWER, now)))
    await watch.timed(f"record_turn{label}", store.record_turn(record_of(who, head, reply)))


async def reads(store: SqlStore, who: Talker, watch: Stopwatch) -> None:
    namespace = who.stamp.recall[0]
    await watch.timed("get_memory_profiles", store.get_memory_profiles(namespace.user_id))
    recent = store.get_recent_messages(namespace.user_id, who.stamp.session_id, 20)
    await watch.timed("get_recent_messages (20)", recent)
    await watch.timed("get_namespace_state", store.get_namespace_state(namespace))


async def paced(store: SqlStore, people: list[Talker], watch: Stopwatch, a_second: int) -> None:
    """Arrivals at a steady rate, each in a task of its own, as platforms bring them."""
    tasks = []
    for number in range(a_second * 4):
        who = people[number % len(people)]
        tasks.append(asyncio.create_task(one_turn(store, who, watch, f", {a_second} {PACED}")))
        await asyncio.sleep(1 / a_second)
    await asyncio.gather(*tasks)


def control(folder: Path, watch: Stopwatch) -> None:
    """A bare insert with the same durability, on the event loop's thread."""
    connection = sqlite3.connect(folder / "control.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE control (id TEXT PRIMARY KEY, content TEXT)")
    for _ in range(TURNS):
        start = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO control VALUES (?, ?)", (new_id(), TEXT.text))
        connection.execute("COMMIT")
        watch.times.setdefault(CONTROL, []).append((time.perf_counter() - start) * 1000)
    connection.close()


async def written(folder: Path) -> list[Row]:
    """Bytes that each step of a message appends to the write-ahead log; the control is the bare insert's."""
    file = folder / "written.db"
    store = SqlStore(f"sqlite:///{file}", CLOCK)
    await store.open()
    people = [await talker(store, f"writer-{number}") for number in range(10)]
    for number in range(TURNS):  # so that pages are as full as in use
        await one_turn(store, people[number % 10], Stopwatch())
    sizes = LogSizes(file)
    for who in people:
        await one_turn(store, who, sizes)
    await store.close()
    sizes.empty()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE control (id TEXT PRIMARY KEY, content TEXT)")
        sizes.empty()
        connection.execute("INSERT INTO control VALUES (?, ?)", (new_id(), TEXT.text))
        control = sizes.kibibytes()
    return [
        Row(f"written to disk by {name}", sum(each) / len(each), "KiB", None, control, CONTROL)
        for name, each in sizes.times.items()
    ]


class LogSizes(Stopwatch):
    """Kibibytes of the write-ahead log by name, in place of milliseconds."""

    def __init__(self, database: Path) -> None:
        super().__init__()
        self._database = database

    def empty(self) -> None:
        with closing(sqlite3.connect(self._database)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy, "the log could not be emptied"

    def kibibytes(self) -> float:
        return self._database.with_name(f"{self._database.name}-wal").stat().st_size / 1024

    async def timed(self, name: str, work: Awaitable[T]) -> T:
        self.empty()
        result = await work
        self.times.setdefault(name, []).append(self.kibibytes())
        return result


async def erasing(store: SqlStore, count: int) -> float:
    """Seconds to erase a person with `count` memories and `count` messages."""
    who = await talker(store, "leaver")
    head = message_from(who).row
    for _ in range(count // 100):
        batches = [record_of(who, head, OutboxRow.of(head, ReplyKind.ANSWER, CLOCK.now())) for _ in range(100)]
        await asyncio.gather(
            *(store.store_mem0_memory_reference(batch.memories[0]) for batch in batches),
            *(store.create_chat_message(who.stamp.author_id, batch.messages[0]) for batch in batches),
        )
    start = time.perf_counter()
    receipt = await store.erase_user(who.stamp.author_id, CLOCK.now())
    took = time.perf_counter() - start
    assert receipt.verified
    assert receipt.removed["memories"] == receipt.removed["messages"] == count
    return took


async def main() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        control(Path(folder), watch)
        store = SqlStore(f"sqlite:///{folder}/store.db", CLOCK)
        await store.open()
        people = [await talker(store, f"person-{number}") for number in range(TALKERS)]
        for number in range(TURNS):
            await one_turn(store, people[number % TALKERS], watch)
            await reads(store, people[number % TALKERS], watch)
        await paced(store, people, watch, 50)
        rows = [*watch.rows(), *await written(Path(folder))]
        rows.append(Row("erasing 10,000 memories and messages", await erasing(store, 10_000), "s", 5.0))
        start = time.perf_counter()
        await store.compact()
        rows.append(Row("compacting after it", time.perf_counter() - start, "s"))
        await store.close()
    return [replace(row, name=f"store: {row.name}") for row in rows]


if __name__ == "__main__":
    publish(asyncio.run(main()), "python -m bench.store")
