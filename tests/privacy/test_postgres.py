"""The same promises on a Postgres server, where the database's files are not ours: its data folder is read, its
write-ahead log included."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.clock import ManualClock
from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.sql.server import PostgresStore
from bot.audit import Finding, audit
from core.errors import ModelInterrupted, ModelRejected
from core.messages import Attachment
from tests.support.models import ScriptedModel
from tests.support.postgres import Server, postgres_server
from tests.support.world import world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


async def test_an_incognito_talk_leaves_nothing_and_what_is_kept_is_sealed(
    server: Server, tmp_path: Path, embedder: OnnxEmbedder
) -> None:
    url = server.fresh("privacy")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("show data_directory").fetchone()
    assert found
    data = Path(found[0])
    canary, kept = (f"Quartz{secrets.token_hex(8)}" for _ in range(2))
    clock = ManualClock()
    store, keyring = PostgresStore(url, clock), FileKeyring(tmp_path / "keyring.db", MasterKey.generate())
    await store.open()
    await keyring.open(data_present=False)
    sealer = AesGcmSealer(keyring)
    model = ScriptedModel(lambda text: "Noted.")

    async def holds(text: str) -> list[Finding]:
        with psycopg.connect(url, autocommit=True) as server_side:
            server_side.execute("checkpoint")
        return [*await audit(data, store, sealer, text), *await audit(tmp_path, store, sealer, text)]

    async with world(store=store, sealer=sealer, model=model, embedder=embedder, clock=clock) as town:
        ana = town.person("ana")
        await ana.says(f"My cat is called {kept}.")
        await ana.says("/incognito")
        model.answer = lambda text: f"{canary}: {text}"
        await ana.says(f"I look for a {canary}.")
        file = Attachment("file", f"{canary}.pdf", "application/pdf", 10, f"ref-{canary}")
        await ana.says("read this", attachments=(file,))
        for failure in (ModelInterrupted(partial=canary), ModelRejected(canary)):
            model.failures.append(failure)
            await ana.says(f"Fail with {canary}.")
        await ana.says(f"/remember {canary}")
        assert await holds(canary) == []
        found_kept = await holds(kept)
        assert {item.place for item in found_kept} >= {"chat_messages", "mem0_memories"}
        assert all(item.sealed for item in found_kept), "no file of the server has it"
        await ana.says("/incognito off")
        await ana.says("/erase DELETE EVERYTHING")
        assert await holds(kept) == []
    await keyring.close()
    await store.close()
