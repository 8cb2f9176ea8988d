"""What the benchmarks share: an application over a temporary home, a model that answers at once, a silent platform."""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.records import Draft, RecordKeeper
from bot.bootstrap import App, build
from bot.settings import settings_from
from core.batches import LearnBatch
from core.capabilities import PlatformCapabilities
from core.messages import InboundMessage, Reply, ReplyAddress, Sender
from core.ports import (
    Answer,
    LanguageModel,
    MemoryOrigin,
    ModelDelta,
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelUsage,
    PromptContext,
)
from core.ports.platform import Acceptor
from core.prompts import build_frame, build_system_prompt, format_memory_context
from core.types import ConversationKind, MemoryNamespace, MemoryState, Metadata, Place, PlatformName, new_id

BENCH = PlatformName("bench")
START = datetime(2026, 1, 1, tzinfo=UTC)


class InstantModel(OfflineLanguageModel):
    """Answers at once with one word, so that what is measured is everything else. `recalled` counts the prompts that
    held a memory, `prompts` are the lengths in characters of all that a real model would have been sent, and
    `recalled_characters` of the memories in it."""

    def __init__(self) -> None:
        self.recalled = 0
        self.prompts: list[int] = []
        self.recalled_characters: list[int] = []

    def _note(self, messages: Sequence[ModelMessage], context: PromptContext | None) -> None:
        if context is None:
            return
        self.recalled += bool(context.memories)
        parts = (build_system_prompt(context), build_frame(context), *(item.content for item in messages))
        self.prompts.append(sum(map(len, parts)))
        self.recalled_characters.append(len(format_memory_context(context.memories, context.now.tzinfo)))

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        self._note(messages, context)
        yield ModelDelta("Yes.")
        yield ModelFinished("stop", ModelUsage(10, 1))


class StreamingModel(InstantModel):
    """Takes two seconds for an answer of twenty pieces."""

    SECONDS = 2.0
    PIECES = 20

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        self._note(messages, context)
        start = asyncio.get_running_loop().time()
        for piece in range(1, self.PIECES + 1):
            due = start + piece * self.SECONDS / self.PIECES
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            yield ModelDelta("word ")
        yield ModelFinished("stop", ModelUsage(10, self.PIECES))


class LearningModel(InstantModel):
    """As `InstantModel`, and a model as far as learning and summaries go: one fact a batch, a line a summary."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    @property
    def is_offline(self) -> bool:
        return False

    async def generate_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
        response_schema: Metadata | None = None,
    ) -> Answer:
        self.asked.append(sum(len(message.content) for message in messages))
        if response_schema is None:
            return Answer("They talk about what friends and neighbours did.", "stop", ModelUsage(1_000, 20))
        facts = [{"text": f"Somebody said thing number {len(self.asked)}", "turns": [1], "replaces": []}]
        return Answer(json.dumps({"facts": facts}), "stop", ModelUsage(1_000, 20))


class SilentPlatform:
    """Takes replies and tells who waits for them."""

    name = BENCH
    capabilities = PlatformCapabilities(max_characters=4_000)

    def __init__(self) -> None:
        self.replied: dict[str, asyncio.Event] = {}
        self.met: set[str] = set()

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
async def application(
    platform: SilentPlatform, model: LanguageModel | None = None, **settings: str
) -> AsyncIterator[App]:
    """The product as it is shipped (SQLite, sealing on, mem0 with the offline embedder), in a folder of its own."""
    with tempfile.TemporaryDirectory() as home:
        key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        values = {"MEMORYCHAT_HOME": str(Path(home) / "home"), "MEMORYCHAT_MASTER_KEY": key} | settings
        async with build(settings_from(values), platforms=[platform], model=model or InstantModel()) as app:
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
    if inbound.sender.external_id not in platform.met:
        # What came was the welcome. The next message would join the first one's turn, and share its reply.
        platform.met.add(inbound.sender.external_id)
        await app.queue.drain()


EMBEDDED = 1_000
"""As many facts are embedded; those beyond get the mean of two of their vectors, which takes no time."""


async def fill(app: App, namespace: MemoryNamespace, count: int, offset: int = 0) -> None:
    """Store `count` different memories, sealed and written as the product does it."""
    embedder = OnnxEmbedder()
    vectors = await embedder.embed([fact(offset + number) for number in range(min(count, EMBEDDED))])
    keeper = RecordKeeper(app.sealer, embedder.name)
    await embedder.close()
    for start in range(0, count, 500):
        records = []
        for number in range(start, min(start + 500, count)):
            mixed = vectors[number % EMBEDDED] + vectors[(7 * number + number // EMBEDDED) % len(vectors)]
            vector = vectors[number] if number < EMBEDDED else mixed / np.linalg.norm(mixed)
            origin = MemoryOrigin(said_at=START + timedelta(minutes=number), language="en")
            draft = Draft(fact(offset + number), vector, origin, MemoryState.RECENT, {})
            records.append(await keeper.seal(namespace, draft, START))
        state = await app.store.get_namespace_state(namespace)
        await app.store.apply_learning(LearnBatch(namespace, state.erase_generation, add=tuple(records)))


async def namespace_of(app: App, person: str) -> MemoryNamespace:
    """Of somebody who has written already."""
    identity = await app.store.find_identity(BENCH, "", person)
    assert identity is not None
    return (await app.store.get_default_memory_profile(identity.user_id)).namespace


def question(number: int) -> str:
    return f"What do you know about this: {fact(number * 7)}"


def telling(number: int) -> str:
    return f"Today {fact(9_000 + number)}"


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
    """What this process holds in memory now; where the system does not say, the most that it ever held."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return peak_mb()
    return int(status.read_text("ascii").split()[1]) * resource.getpagesize() / 1024**2


def peak_mb() -> float:
    """The most that this process held in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
