"""What a process says about itself: health, readiness, and numbers that hold nothing of anybody."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import aiohttp
import pytest

from adapters.memory.embedder import Embedder
from adapters.metrics import PrometheusObserver
from bot.bootstrap import build
from bot.operations import Board, look, operations
from bot.settings import Settings, settings_from
from core.errors import ConfigurationError, DeliveryRefused, ModelUnavailable, StoreUnavailable
from core.guarding import Breaker, GuardedMemory, GuardedModel
from core.ports import ModelUsage
from core.ports.observer import UNOBSERVED, Purpose
from tests.support.models import ScriptedModel
from tests.support.world import world
from tests.unit.bot.test_logs import logging_to

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def settings(folder: Path, **more: str) -> Settings:
    home = {"MEMORYCHAT_HOME": str(folder / "home"), "MEMORYCHAT_MASTER_KEY": KEY, "OPERATIONS_PORT": "0"}
    return settings_from({**home, **more})


async def get(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(address + path) as answer:
        return answer.status, await answer.text()


async def test_a_process_is_alive_then_ready_then_without_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(tmp_path)
    board = Board.of(given)
    async with operations(given, board) as address:
        assert await get(address, "/healthz") == (200, '{"status":"ok"}')
        assert (await get(address, "/readyz"))[0] == 503
        port = address.rpartition(":")[2]
        known = settings(tmp_path, OPERATIONS_PORT=port)
        assert await look(known) == "it answers 503: not ready"
        async with build(given, observer=board.observer) as app:
            board.app = app
            assert await get(address, "/readyz") == (200, '{"status":"ready"}')
            assert await look(known) is None
            status, numbers = await get(address, "/metrics")
            assert status == 200
            assert 'memorychat_queue_turns{state="waiting"} 0.0' in numbers
            assert 'memorychat_circuit{name="memory",state="closed"} 1.0' in numbers

            async def away(*_: object) -> bool:
                raise StoreUnavailable("gone")

            for name in ("has_event", "queue_state"):
                monkeypatch.setattr(app.store, name, away)
            assert await get(address, "/readyz") == (503, '{"status":"unavailable","code":"store_unavailable"}')
            assert (await get(address, "/metrics"))[0] == 200
    assert await look(known) == "nothing answers"


async def test_without_a_port_nothing_is_served(tmp_path: Path) -> None:
    given = settings(tmp_path, OPERATIONS_PORT="")
    async with operations(given, Board.of(given)) as address:
        assert address == ""
    with pytest.raises(ConfigurationError, match="OPERATIONS_PORT"):
        await look(given)


def numbers_of(observer: PrometheusObserver) -> dict[str, float]:
    """The samples that are not 0, as Prometheus would read them."""
    found = {}
    for family in observer.registry.collect():
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            if sample.value and not sample.name.endswith(("_created", "_bucket", "_sum")):
                found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_a_days_talk_is_counted_without_a_word_of_it(embedder: Embedder) -> None:
    observer, model = PrometheusObserver((2.0, 10.0)), ScriptedModel()
    guarded = GuardedModel(model, Breaker("language model", changed=observer.circuit), observer)
    async with world(model=guarded, embedder=embedder, observer=observer) as town:
        memory = GuardedMemory(town.memory, Breaker("memory", changed=observer.circuit), observer, 5)
        async with world(
            model=guarded, memory=memory, store=town.store, clock=town.clock, observer=observer, owner="second"
        ) as second:
            ana = second.person("ana-the-secret-name")
            await ana.says("My dog is called Rex.")
            await ana.says("What is my dog called?")
            model.failures.append(ModelUnavailable())
            await ana.says("And my cat?")
            message = ana.message("hello")
            for _ in range(2):
                await second.engine.handle(message)
            await second.queue.drain()
            second.adapter.failures.append(DeliveryRefused())
            await ana.sends("Are you there?")
            await second.queue.drain()
    numbers = numbers_of(observer)
    expected = {
        "memorychat_messages_total{outcome=accepted,platform=test}": 5,
        "memorychat_messages_total{outcome=duplicate,platform=test}": 1,
        "memorychat_turns_total{outcome=failed}": 1,
        "memorychat_model_failures_total{error=model_unavailable,purpose=reply}": 1,
        "memorychat_deliveries_total{outcome=refused,platform=test}": 1,
        "memorychat_step_seconds_count{step=accept}": 6,
        "memorychat_step_seconds_count{step=model}": 4,
        "memorychat_circuit{name=memory,state=closed}": 1,
    }
    assert {name: numbers.get(name) for name in expected} == expected
    assert numbers["memorychat_memory_hits_total{}"] >= 1
    assert numbers["memorychat_model_cost_total{purpose=reply}"] > 0
    steps = {name for name in numbers if name.startswith("memorychat_step_seconds_count")}
    assert {re.sub(r".*step=(\w+).*", r"\1", name) for name in steps} >= {
        *("accept", "wait", "recall", "first_words", "model", "record", "deliver", "turn")
    }
    assert not re.search("rex|dog|secret", "".join(numbers), re.IGNORECASE)


def test_cost_is_counted_by_the_prices_of_the_settings(tmp_path: Path) -> None:
    given = settings(tmp_path, OPENAI_PROMPT_PRICE="2", OPENAI_COMPLETION_PRICE="10")
    observer = Board.of(given).observer
    observer.model_used(Purpose.REPLY, ModelUsage(500_000, 100_000))
    assert numbers_of(observer)["memorychat_model_cost_total{purpose=reply}"] == pytest.approx(2.0)


async def test_every_step_of_a_message_is_logged_under_its_turn(embedder: Embedder) -> None:
    with logging_to() as read:
        logging.root.setLevel("DEBUG")
        async with world(embedder=embedder, model=GuardedModel(ScriptedModel(), Breaker("model"), UNOBSERVED)) as town:
            await town.person("ana").says("My dog is called Rex.")
        written = read()
    turns = [line["turn"] for line in written if line["event"].startswith("message accepted")]
    own = [line for line in written if line.get("turn") == turns[0]]
    told = " | ".join(line["event"] for line in own)
    for step in ("accepted", "turn begins", "model used", "recorded", "reply sent", "over after"):
        assert step in told, told
    assert "Rex" not in json.dumps(written)
