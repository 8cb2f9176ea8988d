"""Random walks of people through messages, modes, rooms, shares, links, forgets, learning, kills and restarts
(hypothesis), and the proof that a walk notices when one of the rules is broken.

What holds after every step: a fact is in no prompt that the rules keep it from; what was told incognito is nowhere on
the disk; what was forgotten or erased is nowhere at all. The ways are the same ones each time, but new ones in the long
form (`make chaos ONLY=walks`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RULE_MARKER,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters.memory.embedder import OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.sql import SqlStore
from core import privacy, stamping, vault
from core.batches import LearnBatch
from core.errors import NotFound
from core.linking import AccountLinking, LinkedAccount
from core.policy import EnginePolicy
from core.ports import Answer, ModelMessage, ModelUsage
from core.types import IdentityId, MemoryNamespace, NamespaceState, PrivacyMode, RecalledMemory, UserId
from tests.privacy.homes import Home
from tests.support.models import Call, ScriptedModel
from tests.support.polling import eventually
from tests.support.world import Person, Town

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

LONG = bool(os.environ.get("CHAOS_LONG"))
T = TypeVar("T")
ACCOUNTS = st.sampled_from(["ana", "bo", "ana2"])
IN_ROOM = st.sampled_from(["ana", "bo"])
PLACES = st.sampled_from(["dm", "room", "thread"])
MODES = st.sampled_from(list(PrivacyMode))
COMMANDS = {
    PrivacyMode.NORMAL: "/privacy normal",
    PrivacyMode.PAUSE_MEMORIES: "/privacy pause",
    PrivacyMode.INCOGNITO: "/privacy incognito",
}


@dataclass(frozen=True)
class Fact:
    """`owner` numbers the person whom its teller is part of."""

    word: str
    owner: int
    place: str
    mode: PrivacyMode


PATIENT = EnginePolicy(recall_deadline=30.0)
"""A recall that a busy machine breaks off would hide a leak."""


@dataclass
class Talkative(ScriptedModel):
    """It repeats what it was given of memories, and learns every message that it is shown, when `may_learn` is set."""

    may_learn: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.may_learn.set()
        self.answer = lambda _: " ".join(["Noted.", *re.findall(r"Zq[0-9a-f]{14}", self.calls[-1].system)])

    async def generate_response(self, messages: Sequence[ModelMessage], *_: object, **__: object) -> Answer:  # type: ignore[override]  # all calls are alike
        told = re.findall(r'^(\d+)\. .*? text: "(.*)"$', messages[-1].content, re.MULTILINE)
        self.learning_calls.append(Call("", tuple(messages), private=False))
        await self.may_learn.wait()
        facts = [{"text": text[:400], "turns": [int(number)], "replaces": []} for number, text in told]
        return Answer(json.dumps({"facts": facts}), "stop", ModelUsage(10, 10))


class Walk(RuleBasedStateMachine):
    """`people` says which person an account belongs to, `modes` what each chose where, `facts` what was told, `gone`
    the words that must be nowhere, `shares` whose profile the room may use."""

    template: ClassVar[Path]
    embedder: ClassVar[OnnxEmbedder]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.model = Talkative()
        self.numbers = count(1)
        self.people = {name: next(self.numbers) for name in ("ana", "bo", "ana2")}
        self.modes: dict[tuple[str, str], PrivacyMode] = {}
        self.shares: set[int] = set()
        self.facts: list[Fact] = []
        self.gone: list[str] = []
        self.town: Town
        self.stack = AsyncExitStack()

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    @initialize(sealed=st.booleans())
    def begin(self, sealed: bool) -> None:
        self.home = Home(self.folder, self.template, self.embedder, sealed=sealed)
        self.home.hurried = True
        self.opens()

    def opens(self) -> None:
        self.stack = AsyncExitStack()
        self.town = self.run(self.stack.enter_async_context(self.home.process(self.model, policy=PATIENT)))
        self.run(self.town.queue.drain())

    def voice(self, name: str, place: str) -> Person:
        room = None if place == "dm" else self.town.room("lobby", "t1" if place == "thread" else "")
        return self.town.person(name, room)

    def says(self, name: str, place: str, text: str) -> str:
        """What comes of it, and the learning that it set off, when the model may."""
        reply = self.run(self.voice(name, place).says(text))
        assert reply.mode is self.mode(name, place) or text.startswith("/")
        if self.model.may_learn.is_set():
            self.run(self.town.engine.learner.drain())
        return reply.text

    def mode(self, name: str, place: str) -> PrivacyMode:
        """In a thread that of the room, until another one is chosen there."""
        of_room = self.modes.get((name, "room"), PrivacyMode.NORMAL)
        return self.modes.get((name, place), of_room if place == "thread" else PrivacyMode.NORMAL)

    def told(self, name: str, place: str) -> str:
        # Each half of a word is looked for as well, so that no two words may have one in common.
        word = f"Zq{hashlib.sha256(str(next(self.numbers)).encode()).hexdigest()[:14]}"
        fact = Fact(word, self.people[name], place, self.mode(name, place))
        self.facts.append(fact)
        return f"My dog is called {fact.word}."

    @rule(name=IN_ROOM, place=PLACES, mode=MODES)
    def changes_mode(self, name: str, place: str, mode: PrivacyMode) -> None:
        self.says(name, place, COMMANDS[mode])
        if self.mode(name, place) is not mode:
            self.modes[name, place] = mode

    @rule(name=ACCOUNTS, place=PLACES)
    def tells(self, name: str, place: str) -> None:
        place = "dm" if name == "ana2" else place
        self.says(name, place, self.told(name, place))

    @rule(name=ACCOUNTS, place=PLACES)
    def asks(self, name: str, place: str) -> None:
        place = "dm" if name == "ana2" else place
        self.says(name, place, "/new")
        self.says(name, place, "What is the dog called?")
        prompt = self.model.calls[-1].text
        for fact in self.facts:
            assert self.may_see(name, place, fact) or fact.word not in prompt, (fact, name, place)

    def may_see(self, name: str, place: str, fact: Fact) -> bool:
        if fact.mode is not PrivacyMode.NORMAL or self.mode(name, place) is PrivacyMode.INCOGNITO:
            return False
        if place == "dm":
            return fact.place == "dm" and fact.owner == self.people[name]
        return fact.place != "dm" or fact.owner in self.shares

    @rule(name=IN_ROOM)
    def shares_with_the_room(self, name: str) -> None:
        assert "everybody who can read this room" in self.says(name, "room", "/profile share personal")
        self.shares.add(self.people[name])

    @rule(name=IN_ROOM)
    def takes_the_share_back(self, name: str) -> None:
        self.says(name, "room", "/profile unshare personal")
        self.shares.discard(self.people[name])

    @precondition(lambda self: self.people["ana2"] != self.people["ana"])
    @rule()
    def links(self) -> None:
        self.says("ana2", "dm", "hello")
        code = re.search(r"/link (\S+)`", self.says("ana", "dm", "/link"))
        assert code
        self.says("ana2", "dm", f"/link {code[1]}")
        self.asks("ana2", "dm")  # nothing has crossed yet
        code = re.search(r"/link (\S+)`", self.says("ana", "dm", "/link"))
        assert code
        self.says("ana2", "dm", f"/link {code[1]}")
        assert "one person in both places" in self.says("ana2", "dm", "yes")
        old, self.people["ana2"] = self.people["ana2"], self.people["ana"]
        self.facts = [replace(fact, owner=self.people["ana"]) if fact.owner == old else fact for fact in self.facts]

    @precondition(lambda self: self.people["ana2"] == self.people["ana"])
    @rule()
    def unlinks(self) -> None:
        self.says("ana2", "dm", "/unlink")
        assert "first time" in self.says("ana2", "dm", "yes")
        self.people["ana2"] = next(self.numbers)

    @rule(name=ACCOUNTS)
    def forgets_all(self, name: str) -> None:
        if self.mode(name, "dm") is PrivacyMode.INCOGNITO:
            return
        self.says(name, "dm", "/forget all")
        self.says(name, "dm", "yes")
        self.drop(lambda fact: fact.owner == self.people[name] and fact.place == "dm")

    @rule(name=IN_ROOM)
    def erases(self, name: str) -> None:
        self.says(name, "dm", "hello")
        assert "erased" in self.says(name, "dm", "/erase DELETE EVERYTHING")
        person = self.people[name]
        self.drop(lambda fact: fact.owner == person)
        self.shares.discard(person)
        for account_name in [item for item, owner in self.people.items() if owner == person]:
            self.people[account_name] = next(self.numbers)
            for key in [key for key in self.modes if key[0] == account_name]:
                del self.modes[key]

    def drop(self, which: Callable[[Fact], bool]) -> None:
        dropped = [fact for fact in self.facts if which(fact)]
        self.gone += [fact.word for fact in dropped]
        self.facts = [fact for fact in self.facts if fact not in dropped]

    @rule(name=ACCOUNTS)
    def a_model_thinks_long_about_what_to_learn(self, name: str) -> None:
        self.model.may_learn.clear()
        self.says(name, "dm", "/new")

    @rule()
    def it_has_learned(self) -> None:
        self.model.may_learn.set()
        self.run(self.town.engine.learner.drain())

    @rule()
    def restarts(self) -> None:
        self.run(self.stack.aclose())
        self.opens()

    @rule(name=IN_ROOM, place=PLACES)
    def is_killed_in_the_middle_of_an_answer(self, name: str, place: str) -> None:
        """What the disk holds in that moment is all that there is; the process's memory is not."""
        self.run(self._answering(self.voice(name, place), self.told(name, place)))
        left = Path(tempfile.mkdtemp())
        for path in self.folder.iterdir():
            if not path.name.endswith("-shm"):
                shutil.copyfile(path, left / path.name)
        self.model.gate.set()
        self.run(self.stack.aclose())
        shutil.rmtree(self.folder)
        self.folder = left
        old = self.home
        self.home = Home(left, None, self.embedder, sealed=old.sealed, master=old.master)
        self.home.clock, self.home.hurried = old.clock, True
        self.opens()

    async def _answering(self, person: Person, text: str) -> None:
        self.model.gate.clear()
        asked = len(self.model.calls)
        await person.sends(text)
        await eventually(lambda: len(self.model.calls) > asked)

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.town.clock.advance(hours * 3600)

    @invariant()
    def nothing_is_left_of_what_must_not_be(self) -> None:
        if not hasattr(self, "town"):
            return
        hidden = [fact.word for fact in self.facts if fact.mode is PrivacyMode.INCOGNITO]
        for word in {*self.gone[-3:], *hidden[-3:]}:
            found = self.run(self.home.holds(word))
            assert found == [], (word, found)

    def teardown(self) -> None:
        self.model.gate.set()
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


def walk(template: Path, embedder: OnnxEmbedder, examples: int, steps: int, *, only: str = "") -> None:
    """Not shrunk: that takes minutes, and the steps are told anyway. `only`: the names of the steps to take."""

    class Here(Walk):
        pass

    Here.template, Here.embedder = template, embedder
    for name, step in vars(Walk).items():
        if only and (marked := getattr(step, RULE_MARKER, None)) and name not in only.split():
            setattr(Here, name, marked.function)  # callable still, but no step
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),
            database=None,
            derandomize=bool(only) or not LONG,
        ),
    )


def test_no_walk_leads_to_a_leak(template: Path, embedder: OnnxEmbedder) -> None:
    walk(template, embedder, 100 if LONG else 12, 25)


# -- what a walk would say of a product that keeps one rule less ------------------------------------------------------


def rooms_are_answered_as_if_private(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stamping, "belongs_to_space", lambda *_: False)


def incognito_is_written_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(vault, "policy_of", lambda _: privacy.PrivacyPolicy(recall=True, learn=True, persist=True))


def a_paused_memory_learns(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stamping, "learn_scope", lambda *, mode, in_space, own, space: space if in_space else own)


def incognito_recalls(patch: pytest.MonkeyPatch) -> None:
    """And nobody sees it but the one who is incognito, who was promised that nothing is recalled."""
    patch.setattr(stamping, "recall_scope", lambda *, mode, in_space, own, space, shared=(): (own,))


def a_share_cannot_be_taken_back(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> bool:
        return True

    patch.setattr(SqlStore, "unshare_profile", nothing)


def forgetting_leaves_the_talk(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> int:
        return 0

    patch.setattr(SqlStore, "delete_session_messages", nothing)


def late_learning_is_written(patch: pytest.MonkeyPatch) -> None:
    """The erase generation and what was read before it are ignored."""
    apply = SqlStore.apply_learning

    async def late(store: SqlStore, batch: LearnBatch) -> NamespaceState:
        state = await store.get_namespace_state(batch.namespace)
        return await apply(store, replace(batch, erase_generation=state.erase_generation, read_at=None))

    patch.setattr(SqlStore, "apply_learning", late)


def a_code_joins_before_the_yes(patch: pytest.MonkeyPatch) -> None:
    redeem = AccountLinking.redeem

    async def at_once(linking: AccountLinking, user_id: UserId, identity_id: IdentityId, code: str) -> LinkedAccount:
        other = await redeem(linking, user_id, identity_id, code)
        await linking.join(user_id, other.user_id, other.conversation_id)
        return other

    patch.setattr(AccountLinking, "redeem", at_once)


def one_search_reads_everybody(patch: pytest.MonkeyPatch) -> None:
    search, known = Mem0Memory.search_memories, dict[MemoryNamespace, None]()

    async def everywhere(
        memory: Mem0Memory, scopes: Sequence[MemoryNamespace], text: str, **how: object
    ) -> list[RecalledMemory]:
        known.update(dict.fromkeys(scopes))
        return await search(memory, tuple(known), text, **how)  # type: ignore[arg-type]  # as they were given

    patch.setattr(Mem0Memory, "search_memories", everywhere)


BREAKS = {
    rooms_are_answered_as_if_private: "tells asks",
    incognito_is_written_down: "changes_mode tells",
    a_paused_memory_learns: "changes_mode tells asks",
    incognito_recalls: "changes_mode tells asks",
    forgetting_leaves_the_talk: "tells forgets_all",
    a_code_joins_before_the_yes: "tells links",
    one_search_reads_everybody: "tells asks",
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_walk_notices_when_one_rule_is_broken(
    template: Path,
    embedder: OnnxEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """The steps that could show it are walked; with the rule kept, they lead nowhere wrong."""
    walk(template, embedder, 2, 10, only=BREAKS[broken])
    broken(monkeypatch)
    with pytest.raises((AssertionError, NotFound)):
        walk(template, embedder, 150, 30, only=BREAKS[broken])


def shares_and_takes_it_back(walking: Walk) -> None:
    walking.tells(name="ana", place="dm")
    walking.shares_with_the_room(name="ana")
    walking.takes_the_share_back(name="ana")
    walking.asks(name="ana", place="room")


def forgets_while_it_is_learned(walking: Walk) -> None:
    walking.tells(name="ana", place="dm")
    walking.a_model_thinks_long_about_what_to_learn(name="ana")
    walking.forgets_all(name="ana")
    walking.it_has_learned()
    walking.nothing_is_left_of_what_must_not_be()


# Few walks at random lead through all of these steps in this order.
WAYS = {a_share_cannot_be_taken_back: shares_and_takes_it_back, late_learning_is_written: forgets_while_it_is_learned}


@pytest.mark.parametrize("broken", WAYS)
def test_the_way_that_shows_a_broken_rule_is_noticed(
    template: Path,
    embedder: OnnxEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
) -> None:
    walk_along(template, embedder, WAYS[broken])
    broken(monkeypatch)
    with pytest.raises((AssertionError, NotFound)):
        walk_along(template, embedder, WAYS[broken])


def walk_along(template: Path, embedder: OnnxEmbedder, way: Callable[[Walk], None]) -> None:
    Walk.template, Walk.embedder = template, embedder
    walking = Walk()
    try:
        walking.begin(sealed=True)
        way(walking)
    finally:
        walking.teardown()
