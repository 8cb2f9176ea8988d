"""Modes, sessions and audiences, seen in the exact prompt and in everything that is stored."""

from __future__ import annotations

import pickle

import pytest

from adapters.clock import ManualClock
from adapters.ephemeral.process import ProcessEphemeralStore
from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.memory import MemoryStore
from core.messages import RoomRole
from core.policy import EnginePolicy
from core.types import Audience, PrivacyMode
from tests.support.models import ScriptedModel
from tests.support.stage import NOON
from tests.support.world import Town, world

CANARY = "quartzfinch"


def stored(town: Town) -> bytes:
    """Every byte that the store holds."""
    return pickle.dumps(vars(town.store))


async def test_an_incognito_talk_is_in_no_store_and_knows_itself_only(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        on = await ana.says("/incognito")
        assert on.mode is PrivacyMode.INCOGNITO
        reply = await ana.says(f"I am looking for a {CANARY}.")
        assert reply.badge
        assert model.calls[-1].private
        assert "Rex" not in model.calls[-1].text
        await ana.says("what did I look for?")
        assert CANARY in model.calls[-1].text
        assert CANARY.encode() not in stored(town)
        await ana.says("/incognito off")
        await ana.says("what did I look for?")
        assert CANARY not in model.calls[-1].text
        assert "Rex" not in [message.content for message in model.calls[-1].messages]
        assert not model.calls[-1].private


async def test_the_very_next_message_is_under_the_new_mode_even_while_a_turn_runs(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        for text in ("hello", "/incognito on", f"I like the {CANARY}."):
            await ana.sends(text)
        model.gate.set()
        await town.queue.drain()
        assert CANARY.encode() not in stored(town)


async def test_incognito_fails_closed_after_a_restart(embedder: OnnxEmbedder) -> None:
    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    async with world(embedder=embedder, store=store, clock=clock, model=model) as town:
        await town.person("ana").says("/incognito")
        await town.person("ana").says(f"I like the {CANARY}.")
    async with world(embedder=embedder, store=store, clock=clock, model=model, owner="next") as town:
        reply = await town.person("ana").says("go on")
        assert reply.mode is PrivacyMode.INCOGNITO
        assert "gone" in reply.text
        assert CANARY not in model.calls[-1].text
        assert "gone" not in (await town.person("ana").says("and on")).text


async def test_an_incognito_message_that_a_crash_took_is_told(embedder: OnnxEmbedder) -> None:
    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    async with world(embedder=embedder, store=store, clock=clock, model=model, start=False) as town:
        await town.person("ana").sends("/incognito")
        await town.person("ana").sends(f"I like the {CANARY}.")
    async with world(embedder=embedder, store=store, clock=clock, model=model, owner="next") as town:
        await town.queue.drain()
        replies = [reply for _, reply in town.adapter.sent]
        assert "restarted" in replies[-1].text
        assert replies[-1].mode is PrivacyMode.INCOGNITO
        assert model.calls == []


async def test_an_idle_incognito_talk_ends_and_the_mode_does_not(embedder: OnnxEmbedder) -> None:
    model, policy = ScriptedModel(), EnginePolicy()
    async with world(embedder=embedder, model=model, policy=policy) as town:
        ana = town.person("ana")
        await ana.says("/incognito")
        await ana.says(f"I like the {CANARY}.")
        town.clock.advance(policy.incognito_idle * 2)
        reply = await ana.says("go on")
        assert "gone" in reply.text
        assert reply.mode is PrivacyMode.INCOGNITO
        assert CANARY not in model.calls[-1].text


class NoEphemeralStore(ProcessEphemeralStore):
    async def unavailable(self) -> str | None:
        return "several processes and no Redis"


async def test_incognito_is_refused_where_it_cannot_be_held(embedder: OnnxEmbedder) -> None:
    clock = ManualClock(NOON)
    async with world(embedder=embedder, clock=clock, ephemeral=NoEphemeralStore(clock)) as town:
        ana = town.person("ana")
        refused = await ana.says("/incognito")
        assert "will not pretend" in refused.text
        assert (await ana.says("hello")).mode is PrivacyMode.NORMAL


async def test_pause_recalls_and_does_not_learn(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        await ana.says("/pause")
        await ana.says(f"My secret hobby is watching the {CANARY}.")
        await ana.says("What is my dog called?")
        assert "Rex" in model.calls[-1].system
        await ana.says("/resume")
        await ana.says("What is my secret hobby?")
        assert CANARY not in model.calls[-1].text


async def test_a_profile_is_a_wall(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        await ana.says("/profile new work")
        await ana.says("/profile use work")
        await ana.says("What is my dog called?")
        assert "Rex" not in model.calls[-1].text
        await ana.says("/profile use personal")
        await ana.says("What is my dog called?")
        assert "Rex" in model.calls[-1].system


async def test_what_is_told_in_private_is_in_no_prompt_of_a_room(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        await town.person("ana").says("My dog is called Rex.")
        in_room = town.person("ana", town.room("lobby"))
        reply = await in_room.says("What is my dog called?")
        assert reply.audience is Audience.ROOM
        assert "Rex" not in model.calls[-1].text
        asked = await in_room.says("/ask What is my dog called?")
        assert asked.audience is Audience.ASKER
        assert "Rex" in model.calls[-1].system
        await in_room.says("What did I ask you before?")
        assert "Rex" not in model.calls[-1].text


async def test_a_room_remembers_for_itself(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        await town.person("ana", town.room("lobby")).says("Our meeting is on Tuesday at noon.")
        await town.person("bo", town.room("lobby")).says("When is our meeting?")
        assert "Tuesday" in model.calls[-1].text
        await town.person("bo").says("When is our meeting?")
        assert "Tuesday" not in model.calls[-1].text
        await town.person("bo", town.room("attic")).says("When is our meeting?")
        assert "Tuesday" not in model.calls[-1].text


async def test_a_shared_profile_is_recalled_in_that_room_until_it_is_unshared(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        await town.person("ana").says("My dog is called Rex.")
        lobby, bo = town.person("ana", town.room("lobby")), town.person("bo", town.room("lobby"))
        await lobby.says("/profile share personal")
        await bo.says("What is Ana's dog called?")
        assert "Rex" in model.calls[-1].system
        await town.person("bo", town.room("attic")).says("What is Ana's dog called?")
        assert "Rex" not in model.calls[-1].text
        await lobby.says("/profile unshare personal")
        await bo.says("What is Ana's dog called?")
        assert "Rex" not in model.calls[-1].text


async def test_a_members_mode_is_their_own_and_a_managers_floor_is_everybodys(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana, bo = town.person("ana", town.room("lobby")), town.person("bo", town.room("lobby"))
        await ana.says("/incognito")
        assert (await ana.says(f"I like the {CANARY}.")).mode is PrivacyMode.INCOGNITO
        assert (await bo.says("What does Ana like?")).mode is PrivacyMode.NORMAL
        assert CANARY not in model.calls[-1].text
        assert CANARY.encode() not in stored(town)
        assert "manager" in (await bo.says("/privacy pause room")).text.casefold()
        boss = town.person("boss", town.room("lobby"), RoomRole.MANAGER)
        await boss.says("/privacy pause room")
        assert (await bo.says("We meet on Friday.")).mode is PrivacyMode.PAUSE_MEMORIES


async def test_private_commands_are_answered_to_the_asker_alone(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = town.person("ana", town.room("lobby"))
        await ana.says("hello")
        assert (await ana.says("/memories")).audience is Audience.ASKER
        assert (await ana.says("/help")).audience is Audience.ROOM


@pytest.mark.parametrize("forget", ["/forget last", "/forget all"])
async def test_what_is_forgotten_is_recalled_no_more(embedder: OnnxEmbedder, forget: str) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        reply = await ana.says(forget)
        if reply.buttons:
            await ana.says("yes")
        await ana.says("/new")
        await ana.says("What is my dog called?")
        assert "Rex" not in model.calls[-1].text


async def test_learning_default_off_starts_everybody_paused(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, policy=EnginePolicy(learning_default=False)) as town:
        assert (await town.person("ana").says("hello")).mode is PrivacyMode.PAUSE_MEMORIES


@pytest.mark.parametrize("greeted_in", ["room", "thread"])
async def test_a_thread_follows_the_room_until_another_mode_is_chosen_in_it(
    embedder: OnnxEmbedder, greeted_in: str
) -> None:
    async with world(embedder=embedder) as town:
        ana, in_thread = town.person("ana", town.room("lobby")), town.person("ana", town.room("lobby", "t1"))
        await (ana if greeted_in == "room" else in_thread).says("hello")
        assert (await in_thread.says("we are here")).mode is PrivacyMode.NORMAL
        await ana.says("/pause")
        assert (await in_thread.says("and still here")).mode is PrivacyMode.PAUSE_MEMORIES
        await in_thread.says("/resume")
        assert (await in_thread.says("aloud again")).mode is PrivacyMode.NORMAL
        assert (await ana.says("not here")).mode is PrivacyMode.PAUSE_MEMORIES
        await ana.says("/incognito on")
        assert (await in_thread.says("aloud still")).mode is PrivacyMode.NORMAL


@pytest.mark.parametrize("greeted_in", ["room", "thread"])
async def test_where_members_begin_paused_who_resumed_in_the_room_is_heard_in_its_threads(
    embedder: OnnxEmbedder, greeted_in: str
) -> None:
    async with world(embedder=embedder, policy=EnginePolicy(learning_default=False, recall_deadline=30.0)) as town:
        ana, in_thread = town.person("ana", town.room("lobby")), town.person("ana", town.room("lobby", "t1"))
        first = await (ana if greeted_in == "room" else in_thread).says("hello")
        assert first.mode is PrivacyMode.PAUSE_MEMORIES
        assert (await in_thread.says("here as well")).mode is PrivacyMode.PAUSE_MEMORIES
        assert (await ana.says("and there")).mode is PrivacyMode.PAUSE_MEMORIES
        await ana.says("/resume")
        assert (await in_thread.says("now you may")).mode is PrivacyMode.NORMAL
