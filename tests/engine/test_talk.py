"""The way of a message, from platform to reply, through the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.memory import MemoryStore
from core.access import AccessMode, AccessRule
from core.batches import MemoryChanges
from core.errors import ModelInterrupted, ModelUnavailable, StoreUnavailable
from core.messages import Acceptance, MessageDeleted, MessageEdited, ReplyKind, Sender
from core.policy import EnginePolicy
from core.types import MemoryNamespace, PrivacyMode, RecalledMemory, TurnState
from tests.support.models import ScriptedModel
from tests.support.polling import eventually
from tests.support.stage import NOON, TEST
from tests.support.world import Town, world


async def test_a_first_message_is_welcomed_once_and_answered(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = town.person("ana")
        welcome, answer = await ana.hears("hello there")
        assert "/incognito" in welcome.text
        assert welcome.kind is ReplyKind.NOTICE
        assert answer.text == "You said: hello there"
        assert [reply.text for reply in await ana.hears("again")] == ["You said: again"]


async def test_what_is_told_is_recalled_in_the_next_turn_and_after_a_new_session(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        await ana.says("/new")
        await ana.says("What is my dog called?")
    assert "My dog is called Rex." in model.calls[-1].system
    assert len(model.calls[-1].messages) == 1


async def test_the_talk_so_far_is_in_the_prompt(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("one")
        await ana.says("two")
    assert [message.content for message in model.calls[-1].messages] == ["one", "You said: one", "two"]


async def test_a_redelivered_message_changes_nothing(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        message = town.person("ana").message("hello")
        assert await town.engine.handle(message) is Acceptance.ACCEPTED
        assert await town.engine.handle(message) is Acceptance.DUPLICATE
        await town.queue.drain()
        assert await town.engine.handle(message) is Acceptance.DUPLICATE
        await town.queue.drain()
        assert [reply.text for _, reply in town.adapter.sent[1:]] == ["You said: hello"]


async def test_messages_that_arrive_while_a_turn_runs_are_answered_together(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.sends("first")
        await eventually(lambda: len(model.calls) == 1)
        await ana.sends("second")
        await ana.sends("third")
        model.gate.set()
        await town.queue.drain()
    assert [reply.text for _, reply in town.adapter.sent[1:]] == ["You said: first", "You said: second\nthird"]


async def test_own_messages_other_bots_and_unaddressed_ones_are_ignored(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        bot = Sender("bot", is_bot=True)
        bystander = town.person("bo", town.room("lobby"))
        assert await town.person("ana").sends("hello", sender=bot) is Acceptance.IGNORED
        assert await bystander.sends("a secret", addressed=False) is Acceptance.IGNORED
        assert await town.store.find_conversation(bystander.place) is None
        assert await town.store.find_identity(TEST, "", "bo") is None


async def test_a_bare_mention_is_answered_with_a_hint(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        for place in (town.room("lobby"), None):
            assert "/help" in (await town.person("ana", place).says(" \n")).text


async def test_forwarded_words_are_nobodys_command_and_nobodys_memory(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        for trap in ("/incognito on", "/link ABCD-EFGH", "yes"):
            reply = await ana.says(trap, forwarded=True)
            assert reply.kind is ReplyKind.ANSWER
            assert reply.mode is PrivacyMode.NORMAL
        await ana.says("I am getting divorced in March.", forwarded=True)
        assert "somebody else" in model.calls[-1].messages[-1].content
        kept = (await ana.says("/memories")).text
        assert "Rex" in kept
        assert "divorced" not in kept


@pytest.mark.parametrize(
    ("text", "hint"),
    [("/incognitoo", "`/incognito`"), ("x" * 100_001, "100,000"), ("/timezone Berlin", "Europe/Berlin")],
)
async def test_what_cannot_be_used_gets_a_clear_answer(embedder: OnnxEmbedder, text: str, hint: str) -> None:
    async with world(embedder=embedder) as town:
        assert hint in (await town.person("ana").says(text)).text


async def test_a_message_of_full_length_with_odd_characters_is_answered(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        odd = "a\x00b\ud800c \u202edeed\u202c 👩‍👩‍👧 שלום "
        text = (odd + "word " * 20_000)[:100_000]
        reply = await town.person("ana").says(text)
        assert reply.kind is ReplyKind.ANSWER
        assert "\x00" not in reply.text
        assert "שלום" in reply.text


async def test_strangers_are_kept_out_by_the_allowlist(embedder: OnnxEmbedder) -> None:
    rules = {TEST: AccessRule(AccessMode.ALLOWLIST, frozenset({"ana"}))}
    async with world(embedder=embedder, rules=rules) as town:
        assert await town.person("ana").sends("hello") is Acceptance.ACCEPTED
        assert await town.person("eve").sends("hello") is Acceptance.REFUSED
        assert await town.store.find_identity(TEST, "", "eve") is None


async def test_stop_keeps_what_had_arrived_and_marks_it(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.sends("tell me a story")
        await eventually(lambda: len(model.calls) == 1)
        await asyncio.sleep(0)
        await ana.sends("/stop")
        await town.queue.drain()
        texts = [reply.text for _, reply in town.adapter.sent[1:]]
        assert any(text == "You\n\n_Stopped._" for text in texts)
        model.gate.set()
        assert (await ana.says("go on")).text == "You said: go on"


async def test_a_model_that_is_away_loses_no_message_and_retry_answers_it(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel(failures=[ModelUnavailable()])
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        failed = await ana.says("my cat is called Tom")
        assert failed.kind is ReplyKind.ERROR
        assert "/retry" in failed.text
        again = await ana.hears("/retry")
        assert again[-1].text == "You said: my cat is called Tom"
        assert [message.content for message in model.calls[-1].messages] == ["my cat is called Tom"]


async def test_a_broken_stream_is_told_and_what_arrived_is_kept(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel(failures=[ModelInterrupted()])
    async with world(embedder=embedder, model=model) as town:
        reply = await town.person("ana").says("hello")
        assert reply.text.startswith("You\n\n_My language model broke off")
        assert reply.kind is ReplyKind.ERROR


async def test_a_used_up_budget_is_told(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, policy=EnginePolicy(daily_messages=2)) as town:
        ana = town.person("ana")
        assert [(await ana.says(text)).kind for text in ("one", "two", "three")] == [
            ReplyKind.ANSWER,
            ReplyKind.ANSWER,
            ReplyKind.ERROR,
        ]
        town.clock.advance(timedelta(days=1))
        assert (await ana.says("four")).kind is ReplyKind.ANSWER


async def test_old_messages_of_a_time_away_are_skipped_with_one_line(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = town.person("ana")
        await ana.says("hello")
        old = NOON - timedelta(hours=2)
        skipped = [reply.text for text in ("are", "you", "there") for reply in await ana.hears(text, sent_at=old)]
        assert len(skipped) == 1
        assert "away" in skipped[0]
        recent = town.clock.now() - timedelta(minutes=30)
        assert (await ana.says("still here", sent_at=recent)).text == "You said: still here"


async def test_an_edit_in_time_changes_the_turn_and_a_delete_cancels_it(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    model.gate.clear()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        await ana.sends("first")
        await eventually(lambda: len(model.calls) == 1)
        edited, deleted = ana.message("secnod"), ana.message("never mind")
        for message in (edited, deleted):
            await town.engine.handle(message)
        await town.engine.handle(MessageEdited(ana.place, edited.sender, edited.event_id, "second"))
        await town.engine.handle(MessageDeleted(ana.place, deleted.event_id))
        model.gate.set()
        await town.queue.drain()
        assert [reply.text for _, reply in town.adapter.sent[1:]] == ["You said: first", "You said: second"]


async def test_deleting_an_answered_message_removes_what_was_learned_from_it(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        told = ana.message("My dog is called Rex.")
        await town.engine.handle(told)
        await town.queue.drain()
        await town.engine.handle(MessageDeleted(ana.place, told.event_id))
        await ana.says("/new")
        await ana.says("What is my dog called?")
    assert "Rex" not in model.calls[-1].text


class AwayStore(MemoryStore):
    async def accept(self, batch: object) -> None:  # type: ignore[override]  # it never gets that far
        raise StoreUnavailable


async def test_what_cannot_be_stored_is_not_acknowledged(embedder: OnnxEmbedder) -> None:

    clock = ManualClock(NOON)
    async with world(embedder=embedder, store=AwayStore(clock), clock=clock) as town:
        with pytest.raises(StoreUnavailable):
            await town.person("ana").sends("hello")


class SlowMemory(Mem0Memory):
    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        await asyncio.sleep(60)
        return []


class Foreseeing(Mem0Memory):
    """Notes the texts that it is told of ahead."""

    def foresee(self, query: str) -> None:
        self.foreseen = [*getattr(self, "foreseen", []), query]


async def test_only_what_will_be_searched_for_is_foreseen(embedder: OnnxEmbedder) -> None:
    from adapters.keys.plain import PlainSealer

    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    memory = Foreseeing(store, PlainSealer(), embedder, model, clock)
    async with world(store=store, memory=memory, model=model, clock=clock) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex")
        await ana.says("/incognito on")
        await ana.says("I am ill")
        await ana.says("/incognito off")
        await ana.says("What is my dog called?")
    assert memory.foreseen == ["My dog is called Rex", "What is my dog called?"]


async def test_a_memory_that_is_late_delays_no_reply_and_the_record_says_so(embedder: OnnxEmbedder) -> None:
    from adapters.keys.plain import PlainSealer

    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    memory = SlowMemory(store, PlainSealer(), embedder, model, clock)
    policy = EnginePolicy(recall_deadline=0.01)
    async with world(store=store, memory=memory, clock=clock, model=model, policy=policy) as town:
        ana = town.person("ana")
        assert (await ana.says("hello")).kind is ReplyKind.ANSWER
        identity = await store.find_identity(TEST, "", "ana")
        assert identity is not None
        [session] = await store.get_user_sessions(identity.user_id)
        _, answer = await store.get_session_messages(identity.user_id, session.id)
        assert answer.metadata["recall_missed"] is True


class StoreOfMany(MemoryStore):
    """To read all memories of a profile takes it until `gate` opens."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.readings = 0

    async def get_memory_changes(self, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        self.readings += since < 0
        await self.gate.wait()
        return await super().get_memory_changes(namespace, since)


async def test_a_profile_that_takes_longer_to_open_than_to_search_is_waited_for(embedder: OnnxEmbedder) -> None:
    store, model = StoreOfMany(ManualClock(NOON)), ScriptedModel()
    async with world(store=store, embedder=embedder) as town:
        await town.person("ana").says("My dog is called Rex.")
    store.gate.clear()
    async with world(store=store, embedder=embedder, model=model, policy=EnginePolicy(recall_deadline=1.0)) as town:
        asking = asyncio.create_task(town.person("ana").says("What is my dog called?"))
        await asyncio.sleep(1.2)
        assert model.calls == []
        store.gate.set()
        await asking
    assert "Rex" in model.calls[-1].system


async def test_opening_a_profile_goes_on_when_a_turn_can_wait_no_longer(embedder: OnnxEmbedder) -> None:
    store, model = StoreOfMany(ManualClock(NOON)), ScriptedModel()
    async with world(store=store, embedder=embedder) as town:
        await town.person("ana").says("My dog is called Rex.")
    store.gate.clear()
    store.readings = 0
    policy = EnginePolicy(recall_deadline=30.0, open_deadline=0.02)
    async with world(store=store, embedder=embedder, model=model, policy=policy) as town:
        ana = town.person("ana")
        for _ in range(2):
            await ana.says("What is my dog called?")
            assert "Rex" not in model.calls[-1].system
        assert town.engine.responder.recall_misses == 2
        store.gate.set()
        identity = await store.find_identity(TEST, "", "ana")
        assert identity is not None
        await town.memory.open([(await store.get_default_memory_profile(identity.user_id)).namespace])
        await ana.says("What is my dog called?")
        assert "Rex" in model.calls[-1].system
    assert store.readings == 1


class BusyMemory(Mem0Memory):
    """Answers one question after another, each in a hundredth of a second, as a processor with much to do does."""

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        async with self._writing.holding("everybody"):
            await asyncio.sleep(0.01)
        return []


async def test_in_a_rush_nobody_is_answered_without_memory(embedder: OnnxEmbedder) -> None:
    from adapters.keys.plain import PlainSealer

    clock, model = ManualClock(NOON), ScriptedModel()
    store = MemoryStore(clock)
    memory = BusyMemory(store, PlainSealer(), embedder, model, clock)
    async with world(store=store, memory=memory, clock=clock, model=model) as town:
        people = [town.person(f"p{number}") for number in range(60)]
        await asyncio.gather(*(person.sends("What did I say about tea?") for person in people))
        await town.queue.drain()
        assert len(town.adapter.sent) == 2 * len(people)  # each is also welcomed
        assert town.engine.responder.recall_misses == 0


async def test_after_enough_turns_the_learning_call_is_made_off_the_reply_path(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel(learned=lambda messages: '{"facts": []}')
    async with world(embedder=embedder, model=model, policy=EnginePolicy(learn_after_turns=2)) as town:
        ana = town.person("ana")
        await ana.says("My dog is called Rex.")
        assert model.learning_calls == []
        await ana.says("He is four years old.")
        await town.engine.learner.drain()
        assert len(model.learning_calls) == 1
        assert "My dog is called Rex." in model.learning_calls[0].text
        await ana.says("We live in Bonn.")
        await ana.says("/new")
        await town.engine.learner.drain()
    assert len(model.learning_calls) == 2
    assert "Rex" not in [message.content for message in model.learning_calls[1].messages][-1].split("We live")[1]


async def answered_after_restart(town: Town) -> list[str]:
    await town.queue.drain()
    return [reply.text for _, reply in town.adapter.sent]


async def test_what_was_accepted_before_a_crash_is_answered_after_it(embedder: OnnxEmbedder) -> None:

    clock = ManualClock(NOON)
    store = MemoryStore(clock)
    async with world(embedder=embedder, store=store, clock=clock, start=False) as town:
        await town.person("ana").sends("are you there?")
    async with world(embedder=embedder, store=store, clock=clock, owner="next") as town:
        assert (await answered_after_restart(town))[1:] == ["You said: are you there?"]
        identity = await store.find_identity(TEST, "", "ana")
        assert identity is not None
        conversation = await store.find_conversation(town.person("ana").place)
        assert conversation is not None
        last = await store.last_turn(conversation.id, identity.user_id, states=[TurnState.ANSWERED])
        assert last is not None


async def test_edits_of_messages_nobody_knows_are_quiet(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder) as town:
        ana = town.person("ana")
        unknown = MessageEdited(ana.place, Sender("ana"), "nobody knows", "text")
        assert await town.engine.handle(unknown) is Acceptance.ACCEPTED
        assert replace(unknown, text="x").event_key == unknown.event_key
