"""The whole engine over real parts, and people who write to it. A test reads as a story:

async with world() as town:
    ana = town.person("ana")
    await ana.says("my dog is called Rex")
    assert "Rex" in (await ana.says("what is my dog called?")).text
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from adapters.clock import ManualClock
from adapters.ephemeral.process import ProcessEphemeralStore
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import Embedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.queues.embedded import EmbeddedQueue
from adapters.stores.memory import MemoryStore
from core.access import AccessControl, AccessRule
from core.capabilities import PlatformCapabilities, PrivateReplies
from core.commands.registry import build_registry
from core.delivery import Delivery
from core.direct import DIRECT, DirectAdapter
from core.engine import ConversationEngine
from core.linking import AccountLinking
from core.messages import Acceptance, InboundMessage, Reply, ReplyAddress, RoomRole, Sender
from core.policy import EnginePolicy
from core.ports import EphemeralStore, LanguageModel, MemoryPort, PlatformAdapter, Store, Transcriber
from core.ports.observer import UNOBSERVED, Observer
from core.quotas import Quotas
from core.sealing import Sealer
from core.services import Services
from core.types import Audience, ConversationId, ConversationKind, Place, PlatformName, new_id
from core.vault import Vault
from tests.support.models import ScriptedModel
from tests.support.scripted import PLAIN, ScriptedAdapter
from tests.support.stage import NOON

PATIENCE = 30.0
"""Seconds for recall: a test machine may be busy; what happens when memory is late has tests of its own."""
ROOMY = replace(PLAIN, private_replies=PrivateReplies.EPHEMERAL)


@dataclass
class TownAdapter(ScriptedAdapter):
    """Also remembers where each reply went."""

    capabilities: PlatformCapabilities = ROOMY
    sent: list[tuple[ReplyAddress, Reply]] = field(default_factory=list)

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        ids = await super().send(address, reply, nonce=nonce, known_ids=known_ids)
        self.sent.append((address, reply))
        return ids


@dataclass
class Town:
    """One process. `person` gives a voice on its platform."""

    engine: ConversationEngine
    store: Store
    memory: MemoryPort
    model: LanguageModel
    adapter: TownAdapter
    queue: EmbeddedQueue
    clock: ManualClock
    ephemeral: EphemeralStore
    services: Services
    adapters: Mapping[PlatformName, TownAdapter]

    def person(self, name: str, place: Place | None = None, role: RoomRole = RoomRole.MEMBER) -> Person:
        """In their private chat, or in a given shared place."""
        kind = ConversationKind.PRIVATE if place is None else ConversationKind.SHARED
        return Person(self, name, place or Place(self.adapter.name, "", f"dm-{name}"), kind, role)

    def room(self, name: str, thread: str = "") -> Place:
        return Place(self.adapter.name, "", f"room-{name}", thread)


@dataclass
class Person:
    town: Town
    name: str
    place: Place
    kind: ConversationKind
    role: RoomRole = RoomRole.MEMBER

    async def says(self, text: str, **changes: object) -> Reply:
        """The last reply that this message brought, when everything it set off is done."""
        replies = await self.hears(text, **changes)
        assert replies, "no reply came"
        return replies[-1]

    async def hears(self, text: str, **changes: object) -> list[Reply]:
        sent = self.town.adapters[self.place.platform].sent
        before = len(sent)
        await self.sends(text, **changes)
        await self.town.queue.drain()
        return [reply for _, reply in sent[before:]]

    async def sends(self, text: str, **changes: object) -> Acceptance:
        """Only accepted; nothing is waited for."""
        return await self.town.engine.handle(self.message(text, **changes))

    def message(self, text: str, **changes: object) -> InboundMessage:
        self.town.clock.advance(1)
        message = InboundMessage(
            place=self.place,
            kind=self.kind,
            sender=Sender(self.name, self.name.title(), role=self.role),
            text=text,
            event_id=new_id(),
            sent_at=self.town.clock.now(),
            audience=Audience.ROOM,
        )
        return replace(message, **changes)  # type: ignore[arg-type]  # field names of InboundMessage


@asynccontextmanager
async def world(
    *,
    model: LanguageModel | None = None,
    store: Store | None = None,
    embedder: Embedder | None = None,
    sealer: Sealer | None = None,
    memory: MemoryPort | None = None,
    policy: EnginePolicy | None = None,
    adapter: TownAdapter | None = None,
    others: Sequence[TownAdapter] = (),
    rules: Mapping[PlatformName, AccessRule] | None = None,
    clock: ManualClock | None = None,
    ephemeral: EphemeralStore | None = None,
    transcriber: Transcriber | None = None,
    start: bool = True,
    owner: str = "here",
    observer: Observer = UNOBSERVED,
    conditions: Callable[[], dict[str, str]] = dict,
) -> AsyncIterator[Town]:
    """One running process. Give `store`, `clock` and `sealer` again to restart it over what it kept."""
    clock = clock or ManualClock(NOON)
    store = store or MemoryStore(clock)
    sealer = sealer or PlainSealer()
    model = model or ScriptedModel()
    adapter = adapter or TownAdapter()
    ephemeral = ephemeral or ProcessEphemeralStore(clock)
    policy = policy or EnginePolicy(recall_deadline=PATIENCE)
    if memory is None:
        assert embedder is not None, "give an embedder (fixture `embedder`) or a memory"
        memory = Mem0Memory(store, sealer, embedder, model, clock)
    talking = {item.name: item for item in (adapter, *others)}
    adapters: dict[PlatformName, PlatformAdapter] = {**talking}
    adapters[DIRECT] = direct = DirectAdapter()
    queue = EmbeddedQueue(store, clock, owner=owner)

    async def tell(conversation_id: ConversationId, text: str) -> None:
        await engine.inbox.tell(conversation_id, text)

    services = Services(
        store=store,
        vault=Vault(sealer, ephemeral, policy.incognito_idle),
        sealer=sealer,
        ephemeral=ephemeral,
        memory=memory,
        model=model,
        registry=build_registry(),
        delivery=Delivery(store, adapters, clock, policy, observer),
        quotas=Quotas(store, policy),
        clock=clock,
        policy=policy,
        owner=owner,
        linking=AccountLinking(store, sealer, clock, tell),
        transcriber=transcriber,
        observer=observer,
        conditions=conditions,
    )
    access = AccessControl(rules or {}, store, clock, services.delivery.say)
    engine = ConversationEngine(services, queue, access, adapters, direct)
    if start:
        await engine.start(only_process=True)
    try:
        yield Town(engine, store, memory, model, adapter, queue, clock, ephemeral, services, talking)
    finally:
        await engine.close(0)
