"""The original chat service's methods: explicit sessions, waited-for replies, summaries."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from adapters.memory.embedder import OnnxEmbedder
from core.errors import ModelUnavailable, NotFound, TurnRunning
from core.messages import ReplyDone, ReplyKind, TextDelta
from core.types import PrivacyMode, SessionId, User, new_id
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.world import Town, world


async def a_user(town: Town) -> User:
    return await town.store.create_user(f"{new_id()}@example.org", display_name="Ana")


async def test_a_reply_streams_and_ends_with_what_it_used(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        await town.engine.process_user_message(ana.id, session.id, "My dog is called Rex.")
        events = [
            event async for event in town.engine.stream_user_message(ana.id, session.id, "What is my dog called?")
        ]
        done = events[-1]
        assert isinstance(done, ReplyDone)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == done.reply.text
        assert done.reply.text == "You said: What is my dog called?"
        assert len(done.memories_used) == 1
        assert done.completion_tokens > 0


async def test_sessions_keep_apart_and_belong_to_their_owner(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana, eve = await a_user(town), await a_user(town)
        first = await town.engine.create_new_session(ana.id)
        second = await town.engine.create_new_session(ana.id)
        await town.engine.process_user_message(ana.id, first.id, "one")
        await town.engine.process_user_message(ana.id, second.id, "two")
        assert len(model.calls[-1].messages) == 1
        for attempt in (
            town.engine.process_user_message(eve.id, first.id, "hello"),
            town.engine.get_session_details(eve.id, first.id),
            town.engine.delete_session(eve.id, first.id),
            town.engine.change_session_privacy_mode(eve.id, first.id, PrivacyMode.INCOGNITO),
            town.engine.get_conversation_summary(eve.id, first.id),
            town.engine.validate_session_access(ana.id, SessionId(new_id())),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_session_can_be_summed_up_and_deleted(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        details = await town.engine.get_session_details(ana.id, session.id)
        assert details.profile is not None
        assert details.profile.is_default
        await town.engine.process_user_message(ana.id, session.id, "My dog is called Rex.")
        await town.engine.process_user_message(ana.id, session.id, "What is my dog called?")
        summary = await town.engine.get_conversation_summary(ana.id, session.id)
        assert (summary.message_count, summary.user_messages, summary.assistant_messages) == (4, 2, 2)
        assert summary.memories_used == 1
        assert await town.engine.delete_session(ana.id, session.id) == 4
        with pytest.raises(NotFound):
            await town.engine.get_session_details(ana.id, session.id)


async def test_an_incognito_stretch_of_a_session_never_joins_its_history(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        await town.engine.process_user_message(ana.id, session.id, "before")
        await town.engine.change_session_privacy_mode(ana.id, session.id, PrivacyMode.INCOGNITO)
        during = await town.engine.process_user_message(ana.id, session.id, "during")
        assert "is gone" not in during.reply.text
        assert [message.content for message in model.calls[-1].messages] == ["during"]
        await town.engine.change_session_privacy_mode(ana.id, session.id, PrivacyMode.NORMAL)
        await town.engine.process_user_message(ana.id, session.id, "after")
        assert "during" not in model.calls[-1].text
        messages = await town.store.get_session_messages(ana.id, session.id)
        assert len(messages) == 4
        assert (await town.engine.get_session_details(ana.id, session.id)).session.message_count == 6


async def test_a_client_that_goes_away_leaves_nothing_half_written(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        async with aclosing(town.engine.stream_user_message(ana.id, session.id, "hello")) as events:
            async for event in events:
                assert isinstance(event, TextDelta)
                break
        await town.queue.drain()
        assert await town.store.get_session_messages(ana.id, session.id) == []
        model.gate.set()
        done = await town.engine.process_user_message(ana.id, session.id, "again")
        assert [message.content for message in model.calls[-1].messages] == ["again"]
        assert done.reply.kind is ReplyKind.ANSWER


async def test_a_second_request_waits_its_turn_or_is_refused(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        async with aclosing(town.engine.stream_user_message(ana.id, session.id, "one")) as first:
            await anext(first)
            with pytest.raises(TurnRunning):
                await anext(town.engine.stream_user_message(ana.id, session.id, "two", wait=False))
            model.gate.set()
            rest = [event async for event in first]
            assert isinstance(rest[-1], ReplyDone)
        await eventually(lambda: len(model.calls) == 1)
        assert (await town.engine.process_user_message(ana.id, session.id, "three")).reply.text == "You said: three"


async def test_an_error_of_the_model_is_a_reply_too(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, model=ScriptedModel(failures=[ModelUnavailable()])) as town:
        ana = await a_user(town)
        session = await town.engine.create_new_session(ana.id)
        done = await town.engine.process_user_message(ana.id, session.id, "hello")
        assert done.reply.kind is ReplyKind.ERROR
