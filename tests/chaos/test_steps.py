"""A crash at every named step of a message's way (design §3), then a new process: what is left is one of the allowed
states, and the message is answered once, or a second time with its label."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from adapters.clock import ManualClock
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import Embedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.migrations import upgrade
from core.errors import DeliveryUnknown, MemoryChatError, ModelUnavailable, StoreUnavailable
from core.messages import InboundMessage, Reply, ReplyAddress, ReplyKind
from core.ports import ModelDelta, ModelEvent, ModelMessage, PromptContext, Store
from core.types import MemoryNamespace, OutboxState, RecalledMemory, Role, TurnState
from tests.chaos.keeping import InMemory, Keeping, OnDisk, OnServer
from tests.support.models import ScriptedModel
from tests.support.postgres import Server, postgres_server
from tests.support.stage import NOON
from tests.support.world import TownAdapter, world


@dataclass
class Life:
    """Of one process: it ends at the first call of `point`, before or after that call's effect. From then on nothing of
    the process has an effect any more. `ends` is called in that moment."""

    point: str
    after: bool
    ends: Callable[[], None]
    dead: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        self.dead = True
        self.ends()
        self.over.set()

    def passes(self, name: str, error: MemoryChatError, *, after: bool) -> None:
        if not self.dead and name == self.point and after is self.after:
            self.end()
        if self.dead:
            raise error


class MortalStore:
    def __init__(self, store: Store, life: Life) -> None:
        self._store, self._life = store, life

    def __getattr__(self, name: str) -> Callable[..., object]:
        real = getattr(self._store, name)

        async def call(*given: object, **named: object) -> object:
            self._life.passes(name, StoreUnavailable("dead"), after=False)
            result = await real(*given, **named)
            self._life.passes(name, StoreUnavailable("dead"), after=True)
            return result

        return call


@dataclass
class MortalAdapter(TownAdapter):
    life: Life | None = None

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        assert self.life is not None
        self.life.passes("send", DeliveryUnknown("dead"), after=False)
        ids = await super().send(address, reply, nonce=nonce, known_ids=known_ids)
        self.life.passes("send", DeliveryUnknown("dead"), after=True)
        return ids


class MortalModel(ScriptedModel):
    life: Life

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        self.life.passes("model", ModelUnavailable("dead"), after=False)
        async for event in super().stream_response(messages, context, private=private):
            yield event
            if isinstance(event, ModelDelta):
                self.life.passes("model", ModelUnavailable("dead"), after=True)


class MortalMemory(Mem0Memory):
    life: Life

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        self.life.passes("search", StoreUnavailable("dead"), after=False)
        found = await super().search_memories(namespaces, query, limit=limit, floor=floor)
        self.life.passes("search", StoreUnavailable("dead"), after=True)
        return found


TELLING = "My sister is called Ada."
STEPS = ("read_scene", "accept", "claim_turn", "search", "read_talk", "model", "record_turn", "send", "mark_outbox")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy."""
    path = tmp_path_factory.mktemp("template") / "memorychat.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        started.fresh("steps")
        yield started


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def keeping(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> Keeping:
    if request.param == "memory":
        return InMemory(clock)
    if request.param == "sqlite":
        return OnDisk(clock, tmp_path, request.getfixturevalue("template"))
    return OnServer(clock, request.getfixturevalue("server").emptied("steps"))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", STEPS)
async def test_a_crash_at_a_step_leaves_an_allowed_state(
    embedder: Embedder, keeping: Keeping, clock: ManualClock, point: str, after: bool
) -> None:
    life = Life(point, after, keeping.die)
    first, second = MortalAdapter(life=life), TownAdapter()
    acked, message = await _live_until_the_crash(keeping, clock, embedder, life, first)
    clock.advance(60)
    async with (
        opened(keeping) as store,
        world(embedder=embedder, store=store, clock=clock, adapter=second, owner="next") as town,
    ):
        if not acked:
            await town.engine.handle(message)
        await town.queue.drain()
        await town.engine.responder.retry_unsent()
        assert await town.engine.handle(message) == "duplicate"
    _check(keeping)
    answers = [reply for _, reply in (*first.sent, *second.sent) if reply.kind is ReplyKind.ANSWER]
    unlabelled = [reply for reply in answers if not reply.maybe_duplicate]
    assert answers
    assert len(unlabelled) <= 1
    assert len(answers) <= 2


@asynccontextmanager
async def opened(keeping: Keeping) -> AsyncIterator[Store]:
    store = keeping.store()
    await store.open()
    yield store
    await store.close()


async def _live_until_the_crash(
    keeping: Keeping, clock: ManualClock, embedder: Embedder, life: Life, adapter: MortalAdapter
) -> tuple[bool, InboundMessage]:
    point, life.point = life.point, ""
    async with opened(keeping) as store:
        mortal = cast("Store", MortalStore(store, life))
        model = MortalModel()
        memory = MortalMemory(mortal, PlainSealer(), embedder, model, clock)
        model.life = memory.life = life
        await memory.warm()
        async with world(store=mortal, clock=clock, memory=memory, model=model, adapter=adapter) as town:
            ana = town.person("ana")
            await ana.says("hello")  # the greeting of a newcomer is not what is looked at
            adapter.sent.clear()
            life.point = point
            message = ana.message(TELLING)
            try:
                await town.engine.handle(message)
                acked = True
            except StoreUnavailable:
                acked = False
            async with asyncio.timeout(10):
                await life.over.wait()
    return acked, message


def _check(keeping: Keeping) -> None:
    """No turn is open, no reply unsent, and what was said and told is there once."""
    left = keeping.left()
    assert left.turns == {TurnState.ANSWERED}
    assert left.replies == {OutboxState.SENT}
    (turn,) = [turn for turn, role, text in left.messages if role == Role.USER and text == TELLING]
    assert len([message for message in left.messages if message[0] == turn]) == 2
    assert len([turns for turns in left.sources if turn in turns]) == 1
