"""Why a turn was given up stands with it, for the operator and without a word of what was said."""

from __future__ import annotations

import pytest

from adapters.memory.embedder import Embedder
from core.errors import LimitReached, ModelAuthError, ModelInterrupted, ModelUnavailable
from core.policy import EnginePolicy
from tests.support.models import ScriptedModel
from tests.support.world import world


@pytest.mark.parametrize("error", [ModelUnavailable(), ModelAuthError(), ModelInterrupted(partial="half a sentence")])
async def test_a_model_that_fails_is_named(embedder: Embedder, error: ModelUnavailable) -> None:
    async with world(embedder=embedder, model=ScriptedModel(failures=[error])) as town:
        await town.person("ana").says("Where is Rex buried?")
        (turn,) = await town.store.failed_turns(10)
        assert turn.note == error.code
        await town.person("ana").says("/retry")
        assert await town.store.failed_turns(10) == []


async def test_a_bug_is_told_by_its_kind_and_place(embedder: Embedder) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("quotes: where is Rex buried?")

    async with world(embedder=embedder, model=ScriptedModel(answer=broken)) as town:
        await town.person("ana").says("Where is Rex buried?")
        (turn,) = await town.store.failed_turns(10)
        assert turn.note.startswith("RuntimeError at test_reasons.py:")
        assert "Rex" not in turn.note


async def test_a_used_up_budget_is_told(embedder: Embedder) -> None:
    async with world(embedder=embedder, policy=EnginePolicy(daily_messages=1)) as town:
        for text in ("one", "two"):
            await town.person("ana").says(text)
        (turn,) = await town.store.failed_turns(10)
        assert turn.note == LimitReached.code
