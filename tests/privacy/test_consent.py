"""What people are told, what is learned of whom, and how they take it back at once."""

from __future__ import annotations

import pytest

from core.messages import Acceptance
from core.policy import EnginePolicy
from core.types import PrivacyMode
from tests.privacy.homes import Home, who
from tests.support.models import ScriptedModel

SECRETS = (
    "My password is hunter2secret!",
    "My card is 4111 1111 1111 1111.",
    "The key is sk-proj-abcdefghijklmnopqrstuv123456.",
    "My verification code is 493021.",
)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(lambda text: "Noted.")


async def test_the_first_reply_says_what_is_kept(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        welcome, *_ = await town.person("ana").hears("hello")
        assert "remember" in welcome.text.casefold()
        assert "/incognito" in welcome.text
        assert "/forget" in welcome.text or "/privacy" in welcome.text


async def test_bystanders_are_never_stored(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        bo = town.person("bo", town.room("lobby"))
        said = await bo.sends("My dog is called Quartzfinch.", addressed=False)
        assert said is Acceptance.IGNORED
        await town.person("ana", town.room("lobby")).says("hello")
        assert await home.holds("Quartzfinch") == []
        assert await town.store.find_identity(town.adapter.name, "", "bo") is None


@pytest.mark.parametrize("secret", SECRETS)
async def test_secrets_are_never_learned_also_when_asked_to(home: Home, model: ScriptedModel, secret: str) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says(secret)
        assert "never keep" in (await ana.says(f"/remember {secret}")).text
        assert await town.memory.count_memories((await who(town, "ana")).namespace) == 0


async def test_an_instance_may_start_everybody_paused(home: Home, model: ScriptedModel) -> None:
    async with home.process(model, policy=EnginePolicy(learning_default=False)) as town:
        ana = town.person("ana")
        assert (await ana.says("My dog is called Rex.")).mode is PrivacyMode.PAUSE_MEMORIES
        assert await town.memory.count_memories((await who(town, "ana")).namespace) == 0


async def test_what_was_just_kept_is_shown_and_undone_with_one_press(home: Home, model: ScriptedModel) -> None:
    async with home.process(model, policy=EnginePolicy(undo_line=True)) as town:
        ana = town.person("ana")
        assert not [item for item in (await ana.says("How are you?")).buttons if item.label == "Undo"]
        reply = await ana.says("My dog is called Quartzfinch.")
        assert "Quartzfinch" in reply.text
        (undo,) = [item for item in reply.buttons if item.label == "Undo"]
        assert "Forgotten: 1 memory" in (await ana.says(undo.command)).text
        assert await home.holds("Quartzfinch") == []
        story = " ".join(f"On day {day} I walked with Amberlynx along the coast." for day in range(60))
        (undo,) = [item for item in (await ana.says(story)).buttons if item.label == "Undo"]
        assert await town.memory.count_memories((await who(town, "ana")).namespace) > 1
        await town.person("eve").says("hello")
        assert "any more" in (await town.person("eve").says(undo.command)).text
        assert "looked again" in (await ana.says(undo.command)).text
        assert await home.holds("Amberlynx") == []
        in_room = await town.person("ana", town.room("lobby")).says("Our mascot is called Rex.")
        assert not [item for item in in_room.buttons if item.label == "Undo"]
