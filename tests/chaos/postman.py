"""A worker process that the chaos tests kill: the real store and queue, and a handler that delivers into a table.

Run as `python -m tests.chaos.postman URL NAME`. A turn whose reply was being sent by somebody who is gone is delivered
labelled, as the engine does.
"""

from __future__ import annotations

import asyncio
import sys

import psycopg

from adapters.clock import SystemClock
from adapters.queues.postgres import PostgresQueue
from adapters.stores.sql.server import PostgresStore
from core.batches import RecordBatch
from core.messages import InboxRow, OutboxRow, ReplyKind
from core.types import OutboxState, TurnState

LEASE = 2.0
"""Seconds; short, because the tests wait for it."""


async def serve(url: str, name: str) -> None:
    clock = SystemClock()
    store = PostgresStore(url, clock, writers=4, readers=2)
    await store.open()
    platform = await psycopg.AsyncConnection.connect(url, autocommit=True)

    async def answer(rows: tuple[InboxRow, ...]) -> None:
        head = rows[0]
        outbox = await store.open_outbox(OutboxRow.of(head, ReplyKind.ANSWER, clock.now()))
        await asyncio.sleep(0.05)
        again = outbox.state is OutboxState.SENDING
        if outbox.state is not OutboxState.SENT:
            await store.mark_outbox(outbox.id, OutboxState.SENDING)
            for row in rows:
                delivered = [row.stamp.conversation_id, row.event_key, row.seq, again, name]
                await platform.execute(
                    "insert into delivered (conversation, event, seq, again, worker) values (%s, %s, %s, %s, %s)",
                    delivered,
                )
            await store.mark_outbox(outbox.id, OutboxState.SENT)
        await store.record_turn(
            RecordBatch(
                turn_id=head.id,
                rows=tuple(row.id for row in rows),
                lease_owner=name,
                state=TurnState.ANSWERED,
                at=clock.now(),
                session_id=head.stamp.session_id,
            )
        )

    queue = PostgresQueue(url, store, clock, owner=name, concurrency=8, lease=LEASE, poll=0.5)
    await queue.start(answer)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
