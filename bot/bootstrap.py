"""The object graph: the only place that names implementations. `async with build(settings) as app: …`"""

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
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.clock import SystemClock
from adapters.ephemeral.process import ProcessEphemeralStore
from adapters.queues.embedded import EmbeddedQueue
from bot.platforms import configured_platforms
from bot.settings import Settings
from core.access import AccessControl, AccessMode, AccessRule
from core.commands.registry import Registry, build_registry
from core.delivery import Delivery
from core.direct import DIRECT, DirectAdapter
from core.engine import ConversationEngine
from core.errors import AnotherRunner, ConfigurationError
from core.linking import AccountLinking
from core.policy import DEFAULT_PERSONA, EnginePolicy
from core.ports import Clock, EphemeralStore, LanguageModel, MemoryPort, PlatformAdapter, Store, Transcriber, TurnQueue
from core.quotas import Quotas
from core.respond import Services
from core.sealing import Sealer
from core.types import ChannelIdentity, ConversationId, PlatformName, new_id
from core.vault import Vault

if TYPE_CHECKING:
    from adapters.keys.keyring import SqlKeyring
    from adapters.memory.embedder import Embedder
    from adapters.stores.sql.server import Enqueue

LOCAL_KEYRING = "keyring.db"
log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.5
"""Seconds that one platform may take to close its connections."""
STOP_GRACE = 4.0
"""Seconds that running turns get at a stop; the rest of the 10 s that a stop may take is for closing connections."""


LOCK_PAUSE = 2.0
"""Seconds between two looks whether the gateway before this one is gone."""


class Duty(Enum):
    """What a process does. `ALONE`: everything, and nobody else does; `GATEWAY`: talks to the platforms, one at a
    time; `WORKER`: answers, any number of them."""

    ALONE = "alone"
    GATEWAY = "gateway"
    WORKER = "worker"


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
) -> AsyncIterator[App]:
    """Open what the settings name, and close it again in the reverse order.

    `answering` False: for commands that only look or change (they work beside a running bot); nothing is answered
    and no
    runner lock is taken. `platforms` are given ready-made (the terminal); with `configured` those whose tokens are set
    are made too. `model` stands in for the configured one. Whoever asked for them starts them; they are stopped
    here, after the last turn. A gateway waits here until the one before it is gone.

    Raises ConfigurationError, StoreError (AnotherRunner, SchemaMismatch, StoreReadOnly, …).
    """
    if duty is not Duty.ALONE and settings.queue.kind != "postgres":
        raise ConfigurationError(f"`memorychat {duty.value}` needs QUEUE=postgres; `memorychat run` does it all alone")
    clock = SystemClock()
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"
    async with AsyncExitStack() as stack:
        store = await open_store(settings, clock, stack)
        sealer = await _open_sealer(settings, store, stack)
        ephemeral = _make_ephemeral(settings, clock)
        stack.push_async_callback(ephemeral.close)
        model = model or make_model(settings)
        stack.push_async_callback(model.close)
        transcriber = make_transcriber(settings)
        if transcriber is not None:
            stack.push_async_callback(transcriber.close)
        memory = make_memory(settings, store, sealer, model, clock)
        stack.push_async_callback(memory.close)
        if answering and duty is not Duty.WORKER:
            await _take_runner_lock(store, owner, waits=duty is Duty.GATEWAY)
            stack.push_async_callback(store.release_runner_lock)
        registry = build_registry()
        if configured:
            platforms = [*platforms, *configured_platforms(settings, store, registry)]
        app = _assemble(
            settings, clock, owner, store, sealer, ephemeral, memory, model, registry, platforms, transcriber, duty
        )
        for adapter in app.platforms:
            # Registered before the engine's end, so that running turns still reach their people.
            stack.push_async_callback(_stop, adapter)
        if answering:
            await app.engine.start(only_process=settings.queue.kind == "embedded")
            stack.push_async_callback(app.engine.close, STOP_GRACE)
        yield app


async def _take_runner_lock(store: Store, owner: str, *, waits: bool) -> None:
    """Raises AnotherRunner, unless `waits`."""
    while True:
        try:
            return await store.take_runner_lock(owner)
        except AnotherRunner:
            if not waits:
                raise
        await asyncio.sleep(LOCK_PAUSE)


def _make_ephemeral(settings: Settings, clock: Clock) -> EphemeralStore:
    """What is written in one process has to be there for the one that answers; a shared queue may choose any."""
    if settings.redis.url is not None:
        from adapters.ephemeral.redis import RedisEphemeralStore

        return RedisEphemeralStore(settings.redis.url.get_secret_value())
    if settings.queue.kind == "postgres":
        from adapters.ephemeral.nowhere import NoEphemeralStore

        return NoEphemeralStore(clock)
    return ProcessEphemeralStore(clock)


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
        from adapters.queues.postgres import PostgresQueue

        return PostgresQueue(
            settings.database_address,
            store,
            clock,
            owner=owner,
            concurrency=concurrency,
            lease=lease,
            answering=duty is not Duty.GATEWAY,
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
    memory: MemoryPort,
    model: LanguageModel,
    registry: Registry,
    platforms: Sequence[PlatformAdapter],
    transcriber: Transcriber | None,
    duty: Duty,
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
        delivery=Delivery(store, adapters, clock, policy),
        quotas=Quotas(store, policy),
        clock=clock,
        policy=policy,
        owner=owner,
        linking=AccountLinking(store, sealer, clock, tell),
        erase_files=partial(erase_files, settings),
        transcriber=transcriber,
    )
    access = AccessControl(make_access(settings), store, clock, services.delivery.say)
    engine = ConversationEngine(services, queue, access, adapters, direct)
    return App(settings, clock, store, sealer, ephemeral, memory, model, registry, queue, engine, vault, platforms)


async def erase_files(settings: Settings, accounts: Sequence[ChannelIdentity]) -> int:
    """Whoever talks in this machine's terminal has exports and typed lines in the home folder."""
    from adapters.platforms.console.translate import PERSON, PLACE

    if not any((item.platform, item.external_id) == (PLACE.platform, PERSON) for item in accounts):
        return 0
    return await asyncio.to_thread(_unlink, settings.home.history_file, settings.home.export_folder)


def _unlink(history: Path, exports: Path) -> int:
    there = [file for file in (history, *exports.glob("memorychat-export-*")) if file.is_file()]
    for file in there:
        file.unlink(missing_ok=True)
    return len(there)


def make_policy(settings: Settings) -> EnginePolicy:
    name = settings.persona.bot_name
    return EnginePolicy(
        persona=settings.persona.system_prompt or DEFAULT_PERSONA.format(name=name),
        bot_name=name,
        session_idle=settings.privacy.session_idle,
        incognito_idle=settings.privacy.incognito_idle,
        backlog_max_age=settings.privacy.backlog_max_age,
        learning_default=settings.privacy.learning_default,
        learn_after_turns=settings.learning.after_turns,
        learn_batch=settings.learning.batch,
        learn_quiet=settings.learning.quiet,
        learn_tokens_per_day=settings.learning.tokens_per_day,
        daily_messages=settings.quotas.messages,
        daily_tokens=settings.quotas.tokens,
        instance_daily_messages=settings.quotas.instance_messages,
        instance_daily_tokens=settings.quotas.instance_tokens,
        undo_line=settings.privacy.undo_line,
        takes_images=settings.openai.images,
    )


def make_access(settings: Settings) -> dict[PlatformName, AccessRule]:
    rules = {}
    for name, platform in settings.platforms.items():
        mode, allowed = settings.access_policy_of(platform)
        rules[PlatformName(name)] = AccessRule(AccessMode(mode), allowed)
    return rules


def make_model(settings: Settings) -> LanguageModel:
    """The configured model, or the one that needs none."""
    if not settings.openai.configured:
        from adapters.llm.offline import OfflineLanguageModel

        return OfflineLanguageModel()
    from adapters.llm.openai import OpenAILanguageModel

    openai = settings.openai
    return OpenAILanguageModel(
        api_key=openai.api_key.get_secret_value() if openai.api_key else "",
        model=openai.model,
        base_url=openai.base_url or "",
        temperature=openai.temperature,
        max_tokens=openai.max_tokens,
        max_tokens_field=openai.max_tokens_field,
        retries=openai.retries,
        timeout=openai.timeout.total_seconds(),
        supports_images=openai.images,
    )


def make_transcriber(settings: Settings) -> Transcriber | None:
    """None: voice notes are refused."""
    openai = settings.openai
    if not (openai.configured and openai.transcription_model):
        return None
    from adapters.llm.transcription import OpenAITranscriber

    return OpenAITranscriber(
        openai.api_key.get_secret_value() if openai.api_key else "",
        openai.transcription_model,
        base_url=openai.base_url or "",
        timeout=openai.timeout.total_seconds(),
    )


def _enqueue_of(settings: Settings) -> Enqueue | None:
    if settings.queue.kind != "postgres":
        return None
    from adapters.queues.postgres import enqueue

    return enqueue


async def open_store(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Store:
    from adapters.stores.sql import SqlStore

    if settings.on_postgres:
        from adapters.stores.sql.server import PostgresStore

        store: SqlStore = PostgresStore(settings.database_address, clock, enqueue=_enqueue_of(settings))
    else:
        store = SqlStore(settings.database_address, clock)
    stack.push_async_callback(store.close)
    await store.open()
    return store


async def _open_sealer(settings: Settings, store: Store, stack: AsyncExitStack) -> Sealer:
    from adapters.keys.aes import AesGcmSealer
    from adapters.keys.plain import PlainSealer

    sealed_rows = await store.has_sealed_rows()
    if not settings.privacy.sealing and not sealed_rows:
        return PlainSealer()
    sealer = AesGcmSealer(await open_keyring(settings, stack, sealed_rows=sealed_rows))
    return sealer if settings.privacy.sealing else PlainSealer(sealer)


async def open_keyring(settings: Settings, stack: AsyncExitStack, *, sealed_rows: bool) -> SqlKeyring:
    """Raises ConfigurationError: the master key is missing or another one."""
    from adapters.keys.file import FileKeyring
    from adapters.keys.keyring import SqlKeyring
    from adapters.keys.master import default_key_file, load_master_key

    privacy = settings.privacy
    local = settings.home.folder / LOCAL_KEYRING
    master = load_master_key(
        privacy.master_key.get_secret_value() if privacy.master_key else None,
        key_file=default_key_file(),
        remote_database=settings.on_postgres,
        data_present=sealed_rows or local.exists(),
    )
    if privacy.keyring_url is None:
        keyring: SqlKeyring = FileKeyring(local, master)
    else:
        keyring = SqlKeyring(privacy.keyring_url.get_secret_value(), master)
    stack.push_async_callback(keyring.close)
    await keyring.open(data_present=sealed_rows)
    return keyring


def make_memory(settings: Settings, store: Store, sealer: Sealer, model: LanguageModel, clock: Clock) -> MemoryPort:
    """mem0 over our store and index, or mem0's hosted platform where its key is set."""
    if settings.mem0.api_key is not None:
        from adapters.memory.hosted import HostedMemory

        return HostedMemory(settings.mem0.api_key.get_secret_value(), clock, host=settings.mem0.base_url)
    from adapters.memory.index import QdrantIndex
    from adapters.memory.mem0_memory import Mem0Memory

    embedder = make_embedder(settings)
    qdrant = settings.qdrant
    index = QdrantIndex(
        embedder.dimension,
        url=qdrant.url or "",
        api_key=qdrant.api_key.get_secret_value() if qdrant.api_key else "",
        collection=qdrant.collection,
    )
    return Mem0Memory(store, sealer, embedder, model, clock, index=index, extraction=settings.learning.extraction)


def make_embedder(settings: Settings) -> Embedder:
    from adapters.memory.embedder import MultilingualEmbedder, OnnxEmbedder

    if settings.embeddings.kind == "multilingual":
        return MultilingualEmbedder()
    if settings.embeddings.kind == "english":
        return OnnxEmbedder()
    from adapters.memory.openai_embedder import OpenAIEmbedder

    chosen, openai = settings.embeddings, settings.openai
    key = chosen.api_key or openai.api_key
    return OpenAIEmbedder(
        chosen.model,
        api_key=key.get_secret_value() if key else "",
        base_url=chosen.base_url or openai.base_url,
        dimension=chosen.dimension,
    )
