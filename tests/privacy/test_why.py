"""Why did you say that: asked on each platform, answered to the asker alone, and forgotten with one press."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from tests.contracts.platform.chats import CHATS, opened
from tests.privacy.homes import Home, who
from tests.support.models import ScriptedModel
from tests.support.polling import eventually

FACT = "Quartzfinch"


@pytest.mark.parametrize("platform", CHATS)
async def test_each_platform_shows_the_words_and_forgets_them_with_a_press(
    platform: str, tmp_path: Path, embedder: OnnxEmbedder
) -> None:
    async with opened(platform, tmp_path, embedder) as chat:
        await chat.asks(f"my dog is called {FACT}")
        await chat.asks("/new")
        await chat.asks("what is my dog called?")
        assert FACT in chat.model.calls[-1].system
        shown = await chat.asks("/why")
        assert "used 1 memory" in shown
        assert f"told on {platform.capitalize()}" in shown
        assert f"my dog is called {FACT}" in shown
        assert "/forget NUMBER" in shown
        if platform == "console":
            gone = await chat.asks("/forget 1")
        else:
            known = len(chat.heard)
            await chat.press("Forget 1")
            await eventually(lambda: len(chat.heard) > known)
            await chat.settled()
            gone = chat.visible()[-1]
        assert "Forgotten: 1 memory" in gone
        await chat.asks("/new")
        await chat.asks("what is my dog called?")
        assert FACT not in chat.model.calls[-1].text


async def test_what_was_learned_meanwhile_still_answers_why(home: Home) -> None:
    """Learning gives what a turn told another id."""
    model = ScriptedModel(lambda text: "Noted.")
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says(f"My dog is called {FACT}.")
        await ana.says("What is my dog called?")
        fact = {"text": f"The dog is called {FACT}", "turns": [1], "replaces": []}
        model.learned = lambda _: json.dumps({"facts": [fact]})
        await town.engine.learner.learn((await who(town, "ana")).namespace)
        shown = (await ana.says("/why")).text
        assert "used 1 memory" in shown
        assert f"The dog is called {FACT}" in shown
        await ana.says("/forget 1")
        assert await home.holds(FACT) == []
        assert "no record of that reply" in (await ana.says("/why")).text, "the reply that quoted it went along"
