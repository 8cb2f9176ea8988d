"""What sealing costs a message, and how long erasing a person takes: `python -m bench.privacy`.

The control of sealing is the cipher alone; of erasing, the same person with nothing to erase.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
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


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/memorychat.db", CLOCK)
        await store.open()
        keyring = FileKeyring(Path(folder) / "keyring.db", MasterKey.generate())
        await keyring.open(data_present=False)
        sealer = AesGcmSealer(keyring)
        await _sealing(sealer)
        await _erasing(store, sealer)
        await keyring.close()
        await store.close()


async def _sealing(sealer: AesGcmSealer) -> None:
    scope = session_scope(new_id())
    sealed = await sealer.seal(scope, TEXT)
    cipher, nonce = AESGCM(secrets.token_bytes(32)), os.urandom(12)

    async def control() -> object:
        return cipher.encrypt(nonce, TEXT.encode(), b"context")

    _line("seal a message", await _milliseconds(lambda: sealer.seal(scope, TEXT)), "at most 1 ms a message")
    _line("open a message", await _milliseconds(lambda: sealer.open(scope, sealed)), "at most 1 ms a message")
    _line("the cipher alone", await _milliseconds(control), "control")


async def _milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - start) * 1_000)
    return statistics.median(taken)


async def _erasing(store: SqlStore, sealer: AesGcmSealer) -> None:
    memory = Mem0Memory(store, sealer, OnnxEmbedder(), OfflineLanguageModel(), CLOCK)
    ephemeral = ProcessEphemeralStore(CLOCK)
    forgetting = Forgetting(store, memory, sealer, ephemeral)
    empty, full = await store.create_user(), await store.create_user()
    await _fill(store, sealer, (await store.get_default_memory_profile(full.id)).namespace)
    for user_id, about in ((empty.id, "control"), (full.id, "at most 5,000 ms")):
        start = time.perf_counter()
        receipt = await forgetting.person(user_id, CLOCK.now(), no_files)
        taken = (time.perf_counter() - start) * 1_000
        held = receipt.removed["memories"], receipt.removed["messages"]
        _line(f"erase {held[0]:,} memories and {held[1]:,} messages", taken, about)
        if not receipt.verified:
            raise SystemExit("the second search found something")
    await memory.close()
    await ephemeral.close()


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


def _line(what: str, milliseconds: float, about: str) -> None:
    sys.stdout.write(f"{what:<45} {milliseconds:>10,.3f} ms   {about}\n")


if __name__ == "__main__":
    asyncio.run(main())
