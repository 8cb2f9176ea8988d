"""What the benchmarks share: an application over a temporary home, a model that answers at once, a silent platform."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.llm.offline import OfflineLanguageModel
from bot.bootstrap import App, build
from bot.settings import settings_from
from core.batches import LearnBatch
from core.capabilities import PlatformCapabilities
from core.messages import InboundMessage, Reply, ReplyAddress, Sender
from core.ports import MemoryOrigin, ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from core.ports.platform import Acceptor
from core.types import ConversationKind, MemoryNamespace, MemoryRecord, Place, PlatformName, new_id

BENCH = PlatformName("bench")
START = datetime(2026, 1, 1, tzinfo=UTC)


class InstantModel(OfflineLanguageModel):
    """Answers at once with one word, so that what is measured is everything else."""

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        yield ModelDelta("Yes.")
        yield ModelFinished("stop", ModelUsage(10, 1))


class SilentPlatform:
    """Takes replies and tells who waits for them."""

    name = BENCH
    capabilities = PlatformCapabilities(max_characters=4_000)

    def __init__(self) -> None:
        self.replied: dict[str, asyncio.Event] = {}

    async def start(self, accept: Acceptor) -> None:
        """Messages are handed to the engine by the benchmark itself."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        waiting = self.replied.get(address.reply_to)
        if waiting is not None:
            waiting.set()
        return (nonce,)


@asynccontextmanager
async def application(platform: SilentPlatform, **settings: str) -> AsyncIterator[App]:
    """The product as it is shipped (SQLite, sealing on, mem0 with the offline embedder), in a folder of its own."""
    with tempfile.TemporaryDirectory() as home:
        key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        values = {"MEMORYCHAT_HOME": str(Path(home) / "home"), "MEMORYCHAT_MASTER_KEY": key} | settings
        async with build(settings_from(values), platforms=[platform], model=InstantModel()) as app:
            await app.memory.warm()
            yield app


def message(person: str, text: str) -> InboundMessage:
    event = new_id()
    return InboundMessage(
        place=Place(BENCH, "", person),
        kind=ConversationKind.PRIVATE,
        sender=Sender(person, person),
        text=text,
        event_id=event,
        message_id=event,
        sent_at=datetime.now(UTC),
    )


async def answered(app: App, platform: SilentPlatform, inbound: InboundMessage) -> None:
    """Hand a message in and wait for its reply's delivery."""
    event = platform.replied[inbound.message_id] = asyncio.Event()
    await app.engine.handle(inbound)
    await event.wait()
    del platform.replied[inbound.message_id]


async def fill(app: App, namespace: MemoryNamespace, count: int, offset: int = 0) -> None:
    """Store `count` different memories through the product's own way of preparing and writing them."""
    for start in range(0, count, 500):
        records: list[MemoryRecord] = []
        for number in range(start, min(start + 500, count)):
            origin = MemoryOrigin(said_at=START + timedelta(minutes=number))
            records += await app.memory.prepare_memories(namespace, fact(offset + number), origin)
        state = await app.store.get_namespace_state(namespace)
        await app.store.apply_learning(LearnBatch(namespace, state.erase_generation, add=tuple(records)))


_WHO = ("my sister", "my brother", "our neighbour", "my boss", "a friend", "my aunt", "the dentist", "our coach")
_DOES = (
    "bought",
    "lost",
    "painted",
    "repaired",
    "sold",
    "found",
    "borrowed",
    "collects",
    "gave away",
    "is looking for",
)
_WHAT = (
    "a red bicycle",
    "an old piano",
    "a garden shed",
    "a rare stamp",
    "a wooden boat",
    "two kittens",
    "a telescope",
    "a leather jacket",
    "a violin",
    "a coffee grinder",
    "a map of Iceland",
    "a chess clock",
)
_WHERE = ("in Bonn", "near the harbour", "last summer", "at the flea market", "in Lisbon", "on a Tuesday", "by mistake")


def fact(number: int) -> str:
    """One of 6,720 different sentences, numbered beyond that."""
    rest, who = divmod(number, len(_WHO))
    rest, does = divmod(rest, len(_DOES))
    rest, what = divmod(rest, len(_WHAT))
    rest, where = divmod(rest, len(_WHERE))
    suffix = f" for the {rest}th time" if rest else ""
    return f"{_WHO[who].capitalize()} {_DOES[does]} {_WHAT[what]} {_WHERE[where]}{suffix}."


def resident_mb() -> float:
    """The largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
