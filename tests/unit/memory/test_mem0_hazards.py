"""Each way in which mem0 2.2.1 as shipped loses data, keeps deleted text or talks to strangers, closed."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.clock import ManualClock
from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.vector_store import StagingVectorStore, Work, checked_answer, current
from adapters.stores.sql import SqlStore
from core.errors import InvalidNamespace, MalformedAnswer, MemoryUnavailable, ModelRateLimited, NotFound
from core.types import new_id
from tests.support.models import ScriptedModel
from tests.support.remembering import House, Mind, house

ROOT = Path(__file__).parents[3]
SECRET = "quokka-marmalade"


def test_loading_mem0_opens_no_socket_and_leaves_no_file(tmp_path: Path) -> None:
    script = """
        import socket, sys, os
        def refuse(*_, **__): raise SystemExit("a socket was opened")
        socket.socket.connect = refuse
        socket.getaddrinfo = refuse
        import adapters.memory.mem0_engine
        from mem0.memory import telemetry
        assert telemetry.MEM0_TELEMETRY is False
        import importlib.util
        from adapters.memory.embedder import OnnxEmbedder
        import asyncio
        async def go():
            embedder = OnnxEmbedder()
            await embedder.embed(["warm"])
            await embedder.close()
        asyncio.run(go())
        """
    home = tmp_path / "home"
    scratch = tmp_path / "tmp"
    home.mkdir()
    scratch.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path for path in tmp_path.rglob("*") if path not in (home, scratch)) == []


async def test_sixty_four_adds_at_once_are_all_there_in_a_new_process(
    tmp_path: Path, clock: ManualClock, embedder: OnnxEmbedder
) -> None:
    key = MasterKey.generate()
    keyring = FileKeyring(tmp_path / "keyring.db", key)
    await keyring.open(data_present=False)
    url = f"sqlite:///{tmp_path}/memory.db"
    async with house(SqlStore(url, clock), AesGcmSealer(keyring), embedder, clock) as home:
        ana = await home.mind()
        await asyncio.gather(*(ana.add(f"Box {number} holds item {number * 7}") for number in range(64)))
    await keyring.close()
    assert SECRET.encode() not in (tmp_path / "memory.db").read_bytes()

    script = f"""
        import asyncio, sys
        from pathlib import Path
        from adapters.clock import SystemClock
        from adapters.keys.aes import AesGcmSealer
        from adapters.keys.file import FileKeyring
        from adapters.keys.master import MasterKey
        from adapters.memory.embedder import OnnxEmbedder
        from adapters.memory.mem0_memory import Mem0Memory
        from adapters.stores.sql import SqlStore
        from core.types import MemoryNamespace
        from tests.support.models import ScriptedModel
        async def go():
            keyring = FileKeyring(Path({str(tmp_path / "keyring.db")!r}), MasterKey((bytes.fromhex(sys.stdin.read()),)))
            await keyring.open(data_present=True)
            store = SqlStore({url!r}, SystemClock())
            await store.open()
            memory = Mem0Memory(store, AesGcmSealer(keyring), OnnxEmbedder(), ScriptedModel(), SystemClock())
            space = MemoryNamespace.parse({str(ana.namespace)!r})
            for one in await memory.get_memories(space, limit=200):
                print(one.text)
            print((await memory.search_memories([space], "What does box 41 hold?"))[0].memory.text)
            await memory.close()
            await store.close()
            await keyring.close()
        asyncio.run(go())
        """
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(script)],
        input=key.keys[0].hex(),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert set(lines[:-1]) == {f"Box {number} holds item {number * 7}" for number in range(64)}
    assert lines[-1] == "Box 41 holds item 287"


async def test_mem0_cannot_be_made_to_write_or_read_elsewhere(ana: Mind) -> None:
    store = StagingVectorStore()
    token = current.set(Work(ana.namespace))
    try:
        for user_id in ("*", "", new_id(), f"{ana.namespace}*", None):
            with pytest.raises(InvalidNamespace):
                store.insert([[0.0]], [{"user_id": user_id, "data": "x"}], [new_id()])
            with pytest.raises(InvalidNamespace):
                store.search("x", [0.0], filters={"user_id": user_id})
            with pytest.raises(InvalidNamespace):
                store.list(filters={"user_id": user_id})
        with pytest.raises(InvalidNamespace):
            store.search("x", [0.0])
        assert store.get(new_id()) is None
    finally:
        current.reset(token)


async def test_an_update_of_a_memory_that_mem0_is_not_shown_is_refused(ana: Mind) -> None:
    with pytest.raises(NotFound):
        await ana.memory.update_memory(ana.namespace, (await ana.add("x")).id.__class__(new_id()), "y")


async def test_nothing_of_a_text_gets_into_a_log(ana: Mind, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        kept = await ana.add(f"My code word is {SECRET}")
        await ana.memory.update_memory(ana.namespace, kept.id, f"My new code word is {SECRET}")
        await ana.found(f"what about {SECRET}")
        turns = await ana.told(f"I told {SECRET} to Ben")
        ana.model.learned = lambda _: f"this is no JSON {SECRET}"
        with pytest.raises(MalformedAnswer):
            await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
        await ana.memory.delete_memory(ana.namespace, kept.id)
        await ana.memory.delete_all_memories(ana.namespace)
    assert SECRET not in caplog.text


async def test_an_error_quotes_nothing(ana: Mind) -> None:
    turns = await ana.told(f"I told {SECRET} to Ben")
    ana.model.learned = lambda _: f'{{"facts": [{{"text": "{SECRET}", "turns": [99]}}]}}'
    with pytest.raises(MalformedAnswer) as caught:
        await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value.args)


async def test_mem0s_own_extraction_can_be_chosen(home: House) -> None:
    model = ScriptedModel(learned=lambda _: '{"memory": [{"text": "Ana has a dog called Rex"}]}')
    ana = await home.mind(model=model, extraction="mem0")
    await ana.add("Ana likes tea")
    turns = await ana.told("My dog is called Rex")
    outcome = await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    assert (len(outcome.added), outcome.replaced_recent, outcome.model_calls) == (1, 1, 1)
    assert (outcome.prompt_tokens, outcome.completion_tokens) == (100, 20)
    assert await ana.texts() == ["Ana has a dog called Rex", "Ana likes tea"]
    learned = (await ana.recalled("What is the dog called?"))[0].memory
    assert (learned.source_turns, learned.author_id) == ((turns[0].turn_id,), ana.user_id)
    prompt = model.learning_calls[0].text
    assert len(prompt) > 20_000  # mem0's long prompt, by way of the configured model
    assert "Ana likes tea" in prompt


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no JSON",
        "[]",
        "null",
        '{"facts": []}',
        '{"memory": "x"}',
        '{"memory": ["text"]}',
        '{"memory": [{"id": 1}]}',
    ],
)
async def test_an_answer_that_mem0_would_drop_is_an_error(home: House, answer: str) -> None:
    ana = await home.mind(model=ScriptedModel(learned=lambda _: answer), extraction="mem0")
    turns = await ana.told("My dog is called Rex")
    with pytest.raises(MalformedAnswer):
        await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    assert await ana.found("What is my dog called?") == ["My dog is called Rex"]


def test_an_empty_list_is_a_sound_answer_of_mem0() -> None:
    assert checked_answer('{"memory": []}') == '{"memory": []}'


async def test_the_models_own_error_comes_through_mem0(home: House) -> None:
    model = ScriptedModel(failures=[ModelRateLimited(retry_after=7)])
    ana = await home.mind(model=model, extraction="mem0")
    turns = await ana.told("My dog is called Rex")
    with pytest.raises(ModelRateLimited) as caught:
        await ana.memory.extract_memories_from_conversation(ana.namespace, turns)
    assert caught.value.retry_after == 7


async def test_another_endpoint_in_the_environment_changes_nothing(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-elsewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    model = ScriptedModel(learned=lambda _: '{"memory": [{"text": "Ana has a dog"}]}')
    ana = await home.mind(model=model, extraction="mem0")
    await ana.memory.extract_memories_from_conversation(ana.namespace, await ana.told("I have a dog"))
    assert len(model.learning_calls) == 1
    assert await ana.texts() == ["Ana has a dog"]


async def test_a_deleted_text_is_in_nothing_that_mem0_holds(home: House) -> None:
    model = ScriptedModel(learned=lambda _: '{"memory": []}')
    ana = await home.mind(model=model, extraction="mem0")
    kept = await ana.add(f"My code word is {SECRET}")
    await ana.memory.update_memory(ana.namespace, kept.id, f"The new code word is {SECRET}")
    await ana.memory.extract_memories_from_conversation(ana.namespace, await ana.told(f"I like {SECRET}"))
    await ana.memory.delete_all_memories(ana.namespace)
    await ana.memory.extract_memories_from_conversation(ana.namespace, await ana.told("I like tea"))
    assert SECRET not in model.learning_calls[-1].text


async def test_a_mem0_that_fails_to_load_is_tried_again(ana: Mind, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.memory import mem0_gateway

    def broken(*_: object) -> object:
        raise ImportError("half an installation")

    with monkeypatch.context() as patch:
        patch.setattr(mem0_gateway, "_load", broken)
        with pytest.raises(MemoryUnavailable):
            await ana.add("I like tea")
    await ana.add("I like tea")
    assert await ana.texts() == ["I like tea"]


async def test_memory_answers_before_mem0_is_there_and_never_loads_it_without_a_model(home: House) -> None:
    model = ScriptedModel(is_offline=True)
    ana = await home.mind(model=model)
    assert not ana.memory.is_ready
    await ana.memory.warm()
    assert ana.memory.is_ready
    await ana.told("My dog is called Rex")
    home.clock.advance(timedelta(seconds=1))
    assert await ana.found("What is my dog called?") == ["My dog is called Rex"]
    assert ana.memory._mem0._loading is None
