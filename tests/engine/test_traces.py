"""An operator who knows the id of a turn finds every step of it in the log, and nobody's words."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from adapters.memory.embedder import Embedder
from bot.logs import set_up_logging
from core.policy import EnginePolicy
from tests.support.models import ScriptedModel
from tests.support.world import world

NOTHING = '{"facts": []}'
QUICK = EnginePolicy(recall_deadline=30.0, learn_after_turns=2)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    set_up_logging("INFO", "json", stream=stream)
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)


def steps(log: io.StringIO) -> dict[str, list[str]]:
    """What was logged of each turn, `""` for what belongs to none."""
    found: dict[str, list[str]] = {}
    for line in log.getvalue().splitlines():
        record = json.loads(line)
        found.setdefault(record.get("turn", ""), []).append(record["event"])
    return found


async def test_each_step_of_a_turn_up_to_learning_is_found_by_its_id(embedder: Embedder, log: io.StringIO) -> None:
    model = ScriptedModel(learned=lambda _: NOTHING)
    async with world(embedder=embedder, model=model, policy=QUICK) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        await ana.says("He is four years old.")
        await town.engine.learner.drain()
    learned = [lines for lines in steps(log).values() if any(line.startswith("learned: ") for line in lines)]
    assert len(learned) == 2
    for lines in learned:
        said = [line.partition(":")[0].partition(" after ")[0] for line in lines]
        assert sorted(said) == ["learned", "message accepted for the main lane", "turn begins", "turn is over"]
    assert "learned: 0 new memories of 2 turns" in learned[0]
    assert "Rex" not in log.getvalue()


async def test_a_turn_that_was_not_learned_says_so_under_its_id(embedder: Embedder, log: io.StringIO) -> None:
    async with world(embedder=embedder, policy=QUICK) as town:  # the model answers, but does not learn
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        await ana.says("He is four years old.")
        await town.engine.learner.drain()
    failed = [lines for lines in steps(log).values() if "not learned: ModelUnavailable" in lines]
    assert len(failed) == 2
