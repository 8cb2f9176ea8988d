"""The object graph: `async with build(settings) as app: …`. With its parts (storage, thinking, policies, platforms) the
only place that names implementations."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial

from adapters.clock import SystemClock
from adapters.queues.embedded import EmbeddedQueue
from bot.platforms import configured_platforms
from bot.policies import make_access, make_policy
from bot.settings import Settings
from bot.storage import erase_files, make_ephemeral, open_sealer, open_store
from bot.thinking import make_memory, make_model, make_transcriber
from core.access import AccessControl
from core.breaker import Breaker
from core.commands.registry import Registry, build_registry
from core.delivery import Delivery
from core.direct import DIRECT, DirectAdapter
from core.engine import ConversationEngine
from core.errors import AnotherRunner, ConfigurationError
from core.guarding import GuardedMemory, GuardedModel
from core.linking import AccountLinking
from core.ports import Clock, EphemeralStore, LanguageModel, MemoryPort, PlatformAdapter, Store, Transcriber, TurnQueue
from core.ports.observer import UNOBSERVED, Observer
from core.quotas import Quotas
from core.sealing import Sealer
from core.services import Services
from core.types import ConversationId, PlatformName, new_id
from core.vault import Vault

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.5
"""Seconds that one platform may take to close its connections."""
STOP_GRACE = 4.0
"""Seconds that running turns get at a stop; the rest of the 10 s that a stop may take is for closing connections."""


LOCK_PAUSE = 2.0
"""Seconds between two looks whether the gateway before this one is gone."""


class Duty(Enum):
    """What a process does. `ALONE`: everything, and nobody else does; `GATEWAY`: hears the platforms that have to be
    connected to, one at a time; `WORKER`: answers, any number of them; `WEB`: serves the page and the API, answers what
    is asked there, and hears the platforms that push."""

    ALONE = "alone"
    GATEWAY = "gateway"
    WORKER = "worker"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs in this process. `engine` works only when `build` was asked for it (`answering`)."""

    settings: Settings
    clock: Clock
    store: Store
    sealer: Sealer
    ephemeral: EphemeralStore
    memory: MemoryPort
    model: LanguageModel
    registry: Registry
    queue: TurnQueue
    engine: ConversationEngine
    vault: Vault
    platforms: Sequence[PlatformAdapter]


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    platforms: Sequence[PlatformAdapter] = (),
    configured: bool = False,
    model: LanguageModel | None = None,
    answering: bool = True,
    duty: Duty = Duty.ALONE,
    observer: Observer = UNOBSERVED,
) -> AsyncIterator[App]:
    """Open what the settings name, and close it again in the reverse order.

    `answering` False: for commands that only look or change (they work beside a running bot); nothing is answered
    and no
    runner lock is taken. `platforms` are given ready-made (the terminal); with `configured` those whose tokens are set
    are made too. `model` stands in for the configured one. Whoever asked for them starts them; they are stopped
    here, after the last turn. A gateway waits here until the one before it is gone.

    Raises ConfigurationError, StoreError (AnotherRunner, SchemaMismatch, StoreReadOnly, …).
    """
    is_shared = settings.queue.kind == "postgres"
    if duty in (Duty.GATEWAY, Duty.WORKER) and not is_shared:
        raise ConfigurationError(f"`memorychat {duty.value}` needs QUEUE=postgres; `memorychat run` does it all alone")
    clock = SystemClock()
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"
    async with AsyncExitStack() as stack:
        store = await open_store(settings, clock, stack)
        sealer = await open_sealer(settings, store, stack)
        ephemeral = make_ephemeral(settings, clock, shared=is_shared and duty is not Duty.ALONE)
        stack.push_async_callback(ephemeral.close)
        model = model or make_model(settings)
        stack.push_async_callback(model.close)
        transcriber = make_transcriber(settings)
        if transcriber is not None:
            stack.push_async_callback(transcriber.close)
        model = GuardedModel(model, _breaker("language model", clock, observer), observer)
        memory = GuardedMemory(
            make_memory(settings, store, sealer, model, clock),
            _breaker("memory", clock, observer),
            observer,
            make_policy(settings).recall_deadline,
        )
        stack.push_async_callback(memory.close)
        if answering and (duty in (Duty.ALONE, Duty.GATEWAY) or not is_shared):
            await _take_runner_lock(store, owner, waits=duty is Duty.GATEWAY)
            stack.push_async_callback(store.release_runner_lock)
        registry = build_registry()
        if configured:
            platforms = [*platforms, *configured_platforms(settings, store, registry)]
        app = _assemble(
            settings,
            clock,
            owner,
            store,
            sealer,
            ephemeral,
            memory,
            model,
            registry,
            platforms,
            transcriber,
            duty,
            observer,
        )
        for adapter in app.platforms:
            # Registered before the engine's end, so that running turns still reach their people.
            stack.push_async_callback(_stop, adapter)
        if answering:
            await app.engine.start(only_process=not is_shared)
            stack.push_async_callback(app.engine.close, STOP_GRACE)
        yield app


def _breaker(name: str, clock: Clock, observer: Observer) -> Breaker:
    return Breaker(name, clock=clock.monotonic, changed=observer.circuit)


async def _take_runner_lock(store: Store, owner: str, *, waits: bool) -> None:
    """Raises AnotherRunner, unless `waits`."""
    while True:
        try:
            return await store.take_runner_lock(owner)
        except AnotherRunner:
            if not waits:
                raise
        await asyncio.sleep(LOCK_PAUSE)


def _make_queue(
    settings: Settings,
    store: Store,
    clock: Clock,
    owner: str,
    duty: Duty,
    stop_turn: Callable[[ConversationId], Awaitable[object]],
) -> TurnQueue:
    concurrency, lease = settings.queue.concurrency, settings.queue.lease.total_seconds()
    if settings.queue.kind == "postgres":
        from adapters.queues.postgres import PostgresQueue, Share

        shares = {Duty.ALONE: Share.ALL, Duty.GATEWAY: Share.NONE, Duty.WORKER: Share.OTHERS, Duty.WEB: Share.DIRECT}
        return PostgresQueue(
            settings.database_address,
            store,
            clock,
            owner=owner,
            concurrency=concurrency,
            lease=lease,
            share=shares[duty],
            stop_turn=stop_turn,
        )
    return EmbeddedQueue(store, clock, owner=owner, concurrency=concurrency, lease=lease)


async def _stop(adapter: PlatformAdapter) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await adapter.stop()
    except TimeoutError:
        log.warning("%s did not close in time", adapter.name)


def _assemble(
    settings: Settings,
    clock: Clock,
    owner: str,
    store: Store,
    sealer: Sealer,
    ephemeral: EphemeralStore,
    memory: GuardedMemory,
    model: GuardedModel,
    registry: Registry,
    platforms: Sequence[PlatformAdapter],
    transcriber: Transcriber | None,
    duty: Duty,
    observer: Observer,
) -> App:
    policy = make_policy(settings)
    direct = DirectAdapter()
    adapters: dict[PlatformName, PlatformAdapter] = {adapter.name: adapter for adapter in platforms}
    adapters[DIRECT] = direct
    vault = Vault(sealer, ephemeral, policy.incognito_idle)

    async def tell(conversation_id: ConversationId, text: str) -> None:
        await engine.inbox.tell(conversation_id, text)

    async def stop_turn(conversation_id: ConversationId) -> None:
        await engine.stop(conversation_id)

    queue = _make_queue(settings, store, clock, owner, duty, stop_turn)
    services = Services(
        store=store,
        vault=vault,
        sealer=sealer,
        ephemeral=ephemeral,
        memory=memory,
        model=model,
        registry=registry,
        delivery=Delivery(store, adapters, clock, policy, observer),
        quotas=Quotas(store, policy),
        clock=clock,
        policy=policy,
        owner=owner,
        linking=AccountLinking(store, sealer, clock, tell),
        erase_files=partial(erase_files, settings),
        transcriber=transcriber,
        observer=observer,
        conditions=lambda: {**model.condition, **memory.condition},
    )
    access = AccessControl(make_access(settings), store, clock, services.delivery.say)
    engine = ConversationEngine(services, queue, access, adapters, direct)
    return App(settings, clock, store, sealer, ephemeral, memory, model, registry, queue, engine, vault, platforms)
