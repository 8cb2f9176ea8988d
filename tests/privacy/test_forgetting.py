"""What forgetting takes along: words in the talk, quotes in replies, summaries, and learning that is under way."""

from __future__ import annotations

import asyncio
import json

import pytest

from core.batches import SessionPatch
from core.messages import MessageDeleted, MessageEdited, RoomRole
from core.types import PrivacyMode, SessionId
from tests.privacy.homes import Home, who
from tests.support.models import ScriptedModel
from tests.support.polling import eventually

QUOTE = "Your dog is called Quartzfinch."


def answer(text: str) -> str:
    return QUOTE if text.endswith("?") else "Noted."


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(answer)


async def test_a_forgotten_memory_takes_its_message_and_every_quote_of_it(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Quartzfinch.")
        await ana.says("What is my dog called?")
        await ana.says("I work as a baker.")
        assert "Quartzfinch" in (await ana.says("/memories")).text
        reply = await ana.says("/forget 2")
        assert "looked again and found nothing" in reply.text
        await ana.says("I like tea.")
        assert "Quartzfinch" not in model.calls[-1].text
        assert "baker" in model.calls[-1].text
        assert await home.holds("Quartzfinch") == []


async def test_forgetting_all_empties_the_talks_and_destroys_their_keys(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Quartzfinch.")
        await ana.says("/new")
        await ana.says("My cat is called Quartzfinch too.")
        keys = await home.keys()
        await ana.says("/forget all")
        reply = await ana.says("yes")
        assert "looked again and found nothing" in reply.text
        assert await home.holds("Quartzfinch") == []
        assert len(await home.keys() & keys) <= 2, "only the talk that goes on keeps its key, and the keyring its check"
        await ana.says("What is my dog called?")
        assert "Quartzfinch" not in model.calls[-1].text


async def test_deleting_a_profile_takes_its_talks_with_it(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("/profile new work")
        await ana.says("/profile use work")
        await ana.says("The project is called Quartzfinch.")
        await ana.says("/profile use personal")
        await ana.says("/profile delete work")
        assert "looked again" in (await ana.says("yes")).text
        assert await home.holds("Quartzfinch") == []


async def test_a_summary_goes_with_the_words_that_it_may_quote(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Quartzfinch.")
        ana_id = (await who(town, "ana")).user_id
        session = (await town.store.get_user_sessions(ana_id))[0]
        sealed = await town.services.vault.seal_message(SessionId(session.id), "The dog is Quartzfinch.")
        await town.store.update_chat_session(ana_id, session.id, SessionPatch(summary=sealed))
        assert await home.holds("Quartzfinch") != []
        await ana.says("/forget last")
        assert await home.holds("Quartzfinch") == []


@pytest.mark.parametrize("forget", ["/forget last", "/forget all", "/erase DELETE EVERYTHING"])
async def test_learning_under_way_brings_nothing_back(home: Home, model: ScriptedModel, forget: str) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedModel):
        async def generate_response(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
            asked.set()
            await go_on.wait()
            return await super().generate_response(*args, **kwargs)  # type: ignore[arg-type]

    fact = {"facts": [{"text": "My dog is called Quartzfinch", "turns": [1], "replaces": []}]}
    slow = Slow(answer, learned=lambda _: json.dumps(fact))
    async with home.process(slow) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Quartzfinch.")
        namespace = (await who(town, "ana")).namespace
        learning = asyncio.create_task(town.engine.learner._guarded(namespace))
        await eventually(asked.is_set)
        await ana.says(forget)
        if forget.endswith("all"):
            await ana.says("yes")
        go_on.set()
        await learning
        assert slow.learning_calls, "the model was asked"
        assert await home.holds("Quartzfinch") == []


async def test_erasing_takes_words_in_rooms_files_at_home_and_the_keys(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana, in_room = town.person("ana"), town.person("ana", town.room("lobby"))
        bo = town.person("bo", town.room("lobby"))
        await ana.says("My dog is called Quartzfinch.")
        await in_room.says("Our mascot is called Quartzfinch.")
        await bo.says("Our meeting is on Tuesday at noon.")
        await ana.says("/incognito")
        await ana.says("I look for a Quartzfinch.")
        reply = await ana.says("/erase DELETE EVERYTHING")
        assert "looked again and found nothing" in reply.text
        assert await home.holds("Quartzfinch") == []
        await bo.says("When is our meeting, and who is the mascot?")
        assert "Tuesday" in model.calls[-1].text
        assert "Quartzfinch" not in model.calls[-1].text.replace(bo.name, "")


@pytest.mark.parametrize("learned", [False, True])
async def test_erasing_takes_what_others_were_answered_out_of_it(
    home: Home, model: ScriptedModel, learned: bool
) -> None:
    """Also when learning has given what was told another id since."""
    fact = {"facts": [{"text": "The dog is called Quartzfinch", "turns": [1], "replaces": []}]}
    async with home.process(model) as town:
        ana, bo = town.person("ana"), town.person("bo", town.room("lobby"))
        await ana.says("My dog is called Quartzfinch.")
        await town.person("ana", town.room("lobby")).says("/profile share personal")
        assert "Quartzfinch" in (await bo.says("What is the dog called?")).text
        await bo.says("Our meeting is on Tuesday at noon.")
        if learned:
            model.learned = lambda _: json.dumps(fact)
            await town.engine.learner.learn((await who(town, "ana")).namespace)
        await ana.says("/erase DELETE EVERYTHING")
        assert await home.holds("Quartzfinch") == []
        assert await home.holds("Tuesday") != []


async def test_an_edit_is_learned_anew_and_a_delete_takes_everything(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana = town.person("ana")
        first = ana.message("My dog is called Quartzfinch.")
        await town.engine.handle(first)
        await town.queue.drain()
        edit = MessageEdited(first.place, first.sender, first.event_id, "My dog is called Amberlynx.")
        await town.engine.handle(edit)
        assert await home.holds("Quartzfinch") == []
        await ana.says("/new")
        await ana.says("Which name has my dog?")
        assert "Amberlynx" in model.calls[-1].system
        await town.engine.handle(MessageDeleted(first.place, first.event_id))
        await ana.says("/new")
        await ana.says("Which name has my dog?")
        assert "Amberlynx" not in model.calls[-1].text
        assert await home.holds("Amberlynx") == []


async def test_one_of_several_messages_answered_together_can_be_edited_or_removed(
    home: Home, model: ScriptedModel
) -> None:
    model.gate.clear()
    async with home.process(model) as town:
        ana = town.person("ana")
        texts = ("Hello there.", "My dog is called Quartzfinch.", "I work as a baker.")
        messages = [ana.message(text) for text in texts]
        for message in messages:
            await town.engine.handle(message)
        model.gate.set()
        await town.queue.drain()
        await town.engine.handle(MessageDeleted(messages[1].place, messages[1].event_id))
        assert await home.holds("Quartzfinch") == []
        assert await home.holds("baker") != []


async def test_a_message_removed_while_it_is_answered_is_neither_answered_nor_kept(
    home: Home, model: ScriptedModel
) -> None:
    model.gate.clear()
    async with home.process(model) as town:
        ana = town.person("ana")
        message = ana.message("My dog is called Quartzfinch.")
        await town.engine.handle(message)
        await eventually(lambda: bool(model.calls))
        await town.engine.handle(MessageDeleted(message.place, message.event_id))
        model.gate.set()
        await town.queue.drain()
        await town.engine.revision.drain()
        assert await home.holds("Quartzfinch") == []


async def test_a_message_edited_while_it_is_answered_is_learned_as_it_is_now(home: Home, model: ScriptedModel) -> None:
    model.gate.clear()
    async with home.process(model) as town:
        ana = town.person("ana")
        message = ana.message("My dog is called Quartzfinch.")
        await town.engine.handle(message)
        await eventually(lambda: bool(model.calls))
        await town.engine.handle(MessageEdited(message.place, message.sender, message.event_id, "My dog is Amberlynx."))
        model.gate.set()
        await town.queue.drain()
        await town.engine.revision.drain()
        assert await home.holds("Quartzfinch") == []
        assert await home.holds("Amberlynx") != []


async def test_deleting_a_session_destroys_its_key_and_leaves_a_receipt(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        user = await town.store.create_user()
        session = await town.engine.create_new_session(user.id)
        await town.engine.process_user_message(user.id, session.id, "/privacy pause")
        await town.engine.process_user_message(user.id, session.id, "Say Quartzfinch?")
        await town.engine.delete_session(user.id, session.id)
        assert await home.holds("Quartzfinch") == []
        assert f"session:{session.id}" not in await home.scopes()
        assert home.receipts() == [("session", True)]


async def test_a_manager_sets_the_mode_of_a_room_from_a_thread_and_it_counts_everywhere_there(
    home: Home, model: ScriptedModel
) -> None:
    async with home.process(model) as town:
        boss = town.person("boss", town.room("lobby", "t1"), RoomRole.MANAGER)
        await boss.says("/privacy pause room")
        for place in (town.room("lobby"), town.room("lobby", "t1"), town.room("lobby", "t2")):
            assert (await town.person("bo", place).says("We meet on Friday.")).mode is PrivacyMode.PAUSE_MEMORIES
        status = await town.person("bo", town.room("lobby", "t2")).says("/privacy")
        assert "managers of this room" in status.text
        await town.person("boss", town.room("lobby"), RoomRole.MANAGER).says("/privacy normal room")
        assert (await town.person("bo", town.room("lobby", "t1")).says("Hi.")).mode is PrivacyMode.NORMAL


async def test_leaving_incognito_in_a_room_leaves_the_rooms_own_talk_readable(home: Home, model: ScriptedModel) -> None:
    async with home.process(model) as town:
        ana, bo = town.person("ana", town.room("lobby")), town.person("bo", town.room("lobby"))
        await bo.says("Our meeting is on Tuesday at noon.")
        await ana.says("/incognito")
        await ana.says("I look for a Quartzfinch.")
        town.clock.advance(13 * 3600)
        await ana.says("/incognito off")
        assert await home.holds("Tuesday") != []
        assert await home.holds("Quartzfinch") == []
