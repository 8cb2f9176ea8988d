"""Latency of the store's hot calls on SQLite, beside a bare insert on the same disk: `python -m bench.store`.

The control is one sqlite3 insert and commit under the same pragmas: what the disk alone costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from adapters.clock import SystemClock
from adapters.stores.sql import SqlStore
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

    def report(self) -> None:
        for name, times in self.times.items():
            cuts = statistics.quantiles(times, n=100)
            print(f"{name:<34} p50 {cuts[49]:7.2f} ms   p95 {cuts[94]:7.2f} ms   max {max(times):7.2f} ms")


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
        tasks.append(asyncio.create_task(one_turn(store, who, watch, f", {a_second} turns/s paced")))
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
        watch.times.setdefault("control: bare sqlite3 insert", []).append((time.perf_counter() - start) * 1000)
    connection.close()


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


async def main() -> None:
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
        watch.report()
        print(f"{'erase 10,000 memories + messages':<34} {await erasing(store, 10_000):.2f} s")
        start = time.perf_counter()
        await store.compact()
        print(f"{'compact after it':<34} {time.perf_counter() - start:.2f} s")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
