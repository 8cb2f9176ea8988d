"""The disk fills up while turns run, and there is room again later."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.clock import ManualClock
from adapters.memory.embedder import Embedder
from adapters.stores.migrations import upgrade
from adapters.stores.sql import SqlStore
from core.errors import StoreFull
from core.messages import ReplyKind
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.stage import NOON
from tests.support.world import world

PEOPLE = 5
LONG_WORD = "x" * 3_000


@contextmanager
def no_room(log: Path) -> Iterator[None]:
    """The write-ahead log may not grow, which SQLite takes for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.timeout(60)
async def test_a_disk_that_fills_up_while_turns_run_loses_nothing_and_answers_nothing_twice(
    embedder: Embedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, clock, model = f"sqlite:///{tmp_path}/memorychat.db", ManualClock(NOON), ScriptedModel()
    upgrade(url)
    store = SqlStore(url, clock, pragmas=("wal_autocheckpoint=0",))
    await store.open()
    async with world(embedder=embedder, store=store, clock=clock, model=model) as town:
        people = [town.person(f"person{number}") for number in range(PEOPLE)]
        for person in people:
            await person.says("hello")
        model.gate.clear()
        for person in people:
            await person.sends(f"first {LONG_WORD}")
        await eventually(lambda: len(model.calls) == 2 * PEOPLE)
        before = len(town.adapter.sent)
        seconds = [person.message(f"second {LONG_WORD}") for person in people]
        with no_room(tmp_path / "memorychat.db-wal"):
            model.gate.set()
            for message in seconds:
                with pytest.raises(StoreFull):
                    await town.engine.handle(message)
            await eventually(lambda: caplog.text.count("turn failed and is taken up again") >= PEOPLE)
            assert len(town.adapter.sent) == before, "nothing is sent that could not be written down first"
        for message in seconds:
            assert await town.engine.handle(message) == "accepted"
        clock.advance(60)
        await town.queue._look()
        await town.queue.drain()
    await store.close()
    for person in people:
        answers = [
            reply
            for address, reply in town.adapter.sent
            if address.recipient == person.name and reply.kind is ReplyKind.ANSWER
        ]
        texts = "\n".join(reply.text for reply in answers)
        assert texts.index("first") < texts.index("second")
        assert (texts.count("first"), texts.count("second")) == (1, 1)
        assert not any(reply.maybe_duplicate for reply in answers)
