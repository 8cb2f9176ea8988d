"""The same promises on a Postgres server, where the database's files are not ours: its data folder is read, its
write-ahead log included."""

from __future__ import annotations

import asyncio
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
from core.types import PrivacyMode
from tests.privacy.homes import Home
from tests.privacy.victim import kill_in_the_middle_of_an_answer
from tests.support.models import ScriptedModel
from tests.support.postgres import Server, postgres_server
from tests.support.world import world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


def data_folder(url: str) -> Path:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("show data_directory").fetchone()
    assert found
    return Path(found[0])


async def test_an_incognito_talk_leaves_nothing_and_what_is_kept_is_sealed(
    server: Server, tmp_path: Path, embedder: OnnxEmbedder
) -> None:
    url = server.fresh("privacy")
    data = data_folder(url)
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


@pytest.mark.long
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_kill_in_the_middle_of_an_incognito_answer_leaves_nothing_on_the_server(
    server: Server, tmp_path: Path, embedder: OnnxEmbedder, sealed: bool
) -> None:
    url = server.fresh(f"killed_{sealed}".lower())
    canary = f"Quartz{secrets.token_hex(8)}"
    home = Home(tmp_path, None, embedder, sealed=sealed, server=url)
    await asyncio.to_thread(kill_in_the_middle_of_an_answer, home, canary, url)

    async def holds(text: str) -> list[Finding]:
        with psycopg.connect(url, autocommit=True) as server_side:
            server_side.execute("checkpoint")
        async with home.opened() as (store, sealer):
            return [*await audit(data_folder(url), store, sealer, text), *await audit(tmp_path, store, sealer, text)]

    assert await holds(canary) == []
    assert {item.place for item in await holds("called Tom")} >= {"chat_messages"}, "the search does find what is kept"
    model = ScriptedModel(lambda text: "Yes.")
    async with home.process(model) as town:
        town.clock.advance(60)
        await town.queue.drain()
        told = [reply.text for _, reply in town.adapter.sent]
        reply = await town.person("ana").says("go on")
        assert reply.mode is PrivacyMode.INCOGNITO
        assert any("restarted" in text or "gone" in text for text in [*told, reply.text])
        assert canary not in model.calls[-1].text
    assert await holds(canary) == []
