"""An incognito talk leaves no byte of its content: not in files, rows, logs, the index or temporary files."""

from __future__ import annotations

import asyncio
import secrets
import tempfile

import pytest
from prometheus_client import generate_latest

from adapters.metrics import PrometheusObserver
from core.errors import ModelInterrupted, ModelRejected, ModelTimeout
from core.messages import Attachment
from core.policy import EnginePolicy
from core.types import ConversationKind, PrivacyMode
from tests.privacy.homes import Home
from tests.privacy.victim import kill_in_the_middle_of_an_answer
from tests.support.models import ScriptedModel
from tests.support.polling import eventually


@pytest.fixture
def canary() -> str:
    return f"Quartz{secrets.token_hex(8)}"


@pytest.fixture(autouse=True)
def temporary_files_at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the search through the home folder sees what anybody writes into a temporary file."""
    folder = home.folder / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


async def test_a_whole_incognito_talk_leaves_nothing(home: Home, canary: str) -> None:
    model, observer = ScriptedModel(), PrometheusObserver()
    async with home.process(model, observer=observer) as town:
        ana = town.person("ana")
        await ana.says("My cat is called Tom.")
        model.answer = lambda text: f"{canary}: {text}"
        assert (await ana.says("/incognito")).mode is PrivacyMode.INCOGNITO
        for text in (f"I look for a {canary}.", f'Say "{canary}\\u00e9" in JSON: {{"{canary}": 1}}', "And again?"):
            assert canary in (await ana.says(text)).text
        file = Attachment("file", f"{canary}.pdf", "application/pdf", 10, f"ref-{canary}")
        await ana.says("read this", attachments=(file,))
        for failure in (ModelInterrupted(partial=canary), ModelRejected(canary), ModelTimeout(partial=canary)):
            model.failures.append(failure)
            await ana.says(f"Fail with {canary}.")
        await ana.says(f"/remember {canary}")
        await ana.says(f"/{canary}")
        await ana.says(f"/memories {canary}")
        await ana.says(f"/forget {canary}")
        await ana.says("/retry")
        assert await home.holds(canary) == []
        metrics = generate_latest(observer.registry).decode()
        assert 'memorychat_turns_total{outcome="answered"}' in metrics
        assert not [word for word in (canary, canary[:11], "Tom", "ana-", "dm-ana") if word in metrics]
        await ana.says("/incognito off")
        model.answer = lambda text: "I do not know."
        await ana.says("What did I look for?")
        assert canary not in model.calls[-1].system
        assert canary not in "".join(message.content for message in model.calls[-1].messages)


async def test_what_was_stopped_taken_back_or_edited_leaves_nothing(home: Home, canary: str) -> None:
    model = ScriptedModel(lambda text: f"{canary}: {text} and more")
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("/incognito")
        model.gate.clear()
        await ana.sends(f"Tell me of {canary}.")
        await eventually(lambda: bool(model.calls))
        await ana.sends("/stop")
        model.gate.set()
        await town.queue.drain()
        assert "Stopped" in town.adapter.sent[-1][1].text or "Stopped" in town.adapter.sent[-2][1].text
        assert await home.holds(canary) == []


async def test_the_talk_ends_with_the_process_and_the_mode_does_not(home: Home, canary: str) -> None:
    model = ScriptedModel(lambda text: "Yes.")
    async with home.process(model) as town:
        await town.person("ana").says("/incognito")
        await town.person("ana").says(f"I look for a {canary}.")
    assert await home.holds(canary) == []
    async with home.process(model) as town:
        reply = await town.person("ana").says("go on")
        assert reply.mode is PrivacyMode.INCOGNITO
        assert "gone" in reply.text
        assert canary not in model.calls[-1].text


async def test_an_idle_talk_is_gone_and_told(home: Home, canary: str) -> None:
    model = ScriptedModel(lambda text: "Yes.")
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("/incognito")
        await ana.says(f"I look for a {canary}.")
        town.clock.advance(EnginePolicy().incognito_idle * 2)
        assert "gone" in (await ana.says("go on")).text
        assert canary not in model.calls[-1].text
        assert await home.holds(canary) == []


async def test_an_incognito_member_of_a_room_leaves_nothing_in_it(home: Home, canary: str) -> None:
    model = ScriptedModel(lambda text: f"{canary}: {text}")
    async with home.process(model) as town:
        ana, bo = town.person("ana", town.room("lobby")), town.person("bo", town.room("lobby"))
        model.answer = lambda text: "Hello."
        await bo.says("Our meeting is on Tuesday.")
        await ana.says("/incognito")
        await ana.says(f"I look for a {canary}.")
        await ana.says(f"/ask where is the {canary}?")
        await bo.says("What does Ana look for?")
        assert canary not in model.calls[-1].text
        assert await home.holds(canary) == []
        assert ana.kind is ConversationKind.SHARED


async def test_after_the_kill_the_talk_is_gone_the_mode_stays_and_the_person_is_told(home: Home, canary: str) -> None:
    await asyncio.to_thread(kill_in_the_middle_of_an_answer, home, canary)
    assert await home.holds(canary) == []
    assert await home.holds("called Tom") != [], "the search does find what is kept"
    model = ScriptedModel(lambda text: "Yes.")
    async with home.process(model) as town:
        town.clock.advance(60)
        await town.queue.drain()
        ana = town.person("ana")
        told = [reply.text for _, reply in town.adapter.sent]
        reply = await ana.says("go on")
        assert reply.mode is PrivacyMode.INCOGNITO
        assert any("restarted" in text or "gone" in text for text in [*told, reply.text])
        assert (await ana.says("and on")).mode is PrivacyMode.INCOGNITO
        assert canary not in model.calls[-1].text
    assert await home.holds(canary) == []
