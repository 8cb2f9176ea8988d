"""What sealing costs a message, and how long erasing a person takes: `python -m bench.privacy`.

The control of sealing is the cipher alone; of erasing, the same person with nothing to erase. Erasing is measured on
SQLite and on a Postgres server of its own.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.clock import SystemClock
from adapters.ephemeral.process import ProcessEphemeralStore
from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.sql import SqlStore
from adapters.stores.sql.server import PostgresStore
from bench.table import Row, publish
from core.batches import LearnBatch
from core.forgetting import Forgetting, no_files
from core.sealing import Sealed, namespace_scope, session_scope
from core.types import (
    ChatMessage,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    MessageId,
    PlatformName,
    PrivacyMode,
    Role,
    SessionId,
    TurnId,
    UserId,
    new_id,
)

ROUNDS = 2_000
MEMORIES = 10_000
MESSAGES = 10_000
SESSIONS = 20
TEXT = "My sister lent me her blue bicycle for the trip along the river, and I have to bring it back on Tuesday. " * 4
CLOCK = SystemClock()


async def main() -> list[Row]:
    from tests.support.postgres import postgres_server

    with tempfile.TemporaryDirectory() as folder:
        async with _opened(SqlStore(f"sqlite:///{folder}/memorychat.db", CLOCK), folder) as (store, sealer):
            rows = [*await _sealing(sealer), *await _erasing(store, sealer, "SQLite")]
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        async with _opened(PostgresStore(server.fresh("erasing"), CLOCK), folder) as (store, sealer):
            return [*rows, *await _erasing(store, sealer, "Postgres")]


@asynccontextmanager
async def _opened(store: SqlStore, folder: str) -> AsyncIterator[tuple[SqlStore, AesGcmSealer]]:
    await store.open()
    keyring = FileKeyring(Path(folder) / "keyring.db", MasterKey.generate())
    await keyring.open(data_present=False)
    yield store, AesGcmSealer(keyring)
    await keyring.close()
    await store.close()


async def _sealing(sealer: AesGcmSealer) -> list[Row]:
    scope = session_scope(new_id())
    sealed = await sealer.seal(scope, TEXT)
    cipher, nonce = AESGCM(secrets.token_bytes(32)), os.urandom(12)

    async def control() -> object:
        return cipher.encrypt(nonce, TEXT.encode(), b"context")

    alone = await _microseconds(control)
    return [
        Row(name, await _microseconds(work), "µs", 1_000.0, alone, "the cipher alone")
        for name, work in (
            ("sealing a message", lambda: sealer.seal(scope, TEXT)),
            ("opening a message", lambda: sealer.open(scope, sealed)),
        )
    ]


async def _microseconds(work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - start) * 1_000_000)
    return statistics.median(taken)


async def _erasing(store: SqlStore, sealer: AesGcmSealer, where: str) -> list[Row]:
    memory = Mem0Memory(store, sealer, OnnxEmbedder(), OfflineLanguageModel(), CLOCK)
    ephemeral = ProcessEphemeralStore(CLOCK)
    forgetting = Forgetting(store, memory, sealer, ephemeral)
    empty, full = await store.create_user(), await store.create_user()
    await _fill(store, sealer, (await store.get_default_memory_profile(full.id)).namespace)
    await store.compact()
    control, _ = await _seconds(forgetting, empty.id)
    taken, removed = await _seconds(forgetting, full.id)
    if (removed["memories"], removed["messages"]) != (MEMORIES, MESSAGES):
        raise SystemExit("not everything was erased")
    await memory.close()
    await ephemeral.close()
    name = f"erasing a person with {MEMORIES:,} memories and {MESSAGES:,} messages, {where}"
    return [Row(name, taken, "s", 5.0, control, "a person with nothing")]


async def _seconds(forgetting: Forgetting, user_id: UserId) -> tuple[float, Mapping[str, int]]:
    start = time.perf_counter()
    receipt = await forgetting.person(user_id, CLOCK.now(), no_files)
    if not receipt.verified:
        raise SystemExit("the second search found something")
    return time.perf_counter() - start, receipt.removed


async def _fill(store: SqlStore, sealer: AesGcmSealer, namespace: MemoryNamespace) -> None:
    for start in range(0, MEMORIES, 500):
        records = [await _record(sealer, namespace) for _ in range(start, start + 500)]
        await store.apply_learning(LearnBatch(namespace, 0, add=tuple(records)))
    for _ in range(SESSIONS):
        session = await store.create_chat_session(namespace.user_id, namespace.profile_id, PrivacyMode.NORMAL)
        for start in range(0, MESSAGES // SESSIONS, 50):
            messages = [await _message(sealer, session.id, namespace) for _ in range(start, start + 50)]
            await asyncio.gather(*(store.create_chat_message(namespace.user_id, item) for item in messages))


async def _record(sealer: AesGcmSealer, namespace: MemoryNamespace) -> MemoryRecord:
    now = CLOCK.now() - timedelta(days=1)
    scope = namespace_scope(namespace)
    return MemoryRecord(
        id=MemoryId(new_id()),
        namespace=namespace,
        text=await sealer.seal(scope, TEXT),
        vector=await sealer.seal_bytes(scope, secrets.token_bytes(4 * 384)),
        embedder="bench/384",
        state=MemoryState.LEARNED,
        said_at=now,
        created_at=now,
        updated_at=now,
        author_id=namespace.user_id,
        platform=PlatformName("bench"),
        source_turns=(TurnId(new_id()),),
    )


async def _message(sealer: AesGcmSealer, session_id: SessionId, namespace: MemoryNamespace) -> ChatMessage:
    content: Sealed = await sealer.seal(session_scope(session_id), TEXT)
    author: UserId = namespace.user_id
    return ChatMessage(
        MessageId(new_id()), session_id, Role.USER, content, CLOCK.now(), turn_id=TurnId(new_id()), author_id=author,
        namespace=namespace, metadata={"memories_used": [new_id()], "memories_seen": []},
    )  # fmt: skip


if __name__ == "__main__":
    publish(asyncio.run(main()), "python -m bench.privacy")
