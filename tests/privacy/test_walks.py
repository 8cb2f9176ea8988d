"""Random walks of two people through messages, modes, rooms, links, forgets, crashes and restarts (hypothesis).

What holds after every step: a fact is in no prompt that the rules keep it from; what was told
incognito is nowhere on the disk; what was forgotten or erased is nowhere at all.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from adapters.memory.embedder import OnnxEmbedder
from core.types import PrivacyMode
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel
from tests.support.world import Person, Town

pytestmark = pytest.mark.long

T = TypeVar("T")
PEOPLE = st.sampled_from(["ana", "bo"])
PLACES = st.sampled_from(["dm", "room", "thread"])
MODES = st.sampled_from(list(PrivacyMode))
COMMANDS = {
    PrivacyMode.NORMAL: "/privacy normal",
    PrivacyMode.PAUSE_MEMORIES: "/privacy pause",
    PrivacyMode.INCOGNITO: "/privacy incognito",
}


@dataclass(frozen=True)
class Fact:
    word: str
    teller: str
    place: str
    mode: PrivacyMode


class Walk(RuleBasedStateMachine):
    """`modes` is what each person chose where, `facts` what was told, `gone` the words that must be nowhere."""

    template: ClassVar[Path]
    embedder: ClassVar[OnnxEmbedder]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.model = ScriptedModel(lambda text: "Noted.")
        self.modes: dict[tuple[str, str], PrivacyMode] = {}
        self.facts: list[Fact] = []
        self.gone: list[str] = []
        self.number = 0
        self.town: Town
        self.stack = AsyncExitStack()

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    @initialize(sealed=st.booleans())
    def begin(self, sealed: bool) -> None:
        self.home = Home(self.folder, self.template, self.embedder, sealed=sealed)
        self.home.hurried = True
        self.town = self.run(self.stack.enter_async_context(self.home.process(self.model)))

    def voice(self, name: str, place: str) -> Person:
        room = None if place == "dm" else self.town.room("lobby", "t1" if place == "thread" else "")
        return self.town.person(name, room)

    def mode(self, name: str, place: str) -> PrivacyMode:
        """A thread begins with the mode of its room."""
        return self.modes.get((name, place), PrivacyMode.NORMAL)

    @rule(name=PEOPLE, place=PLACES, mode=MODES)
    def changes_mode(self, name: str, place: str, mode: PrivacyMode) -> None:
        if place == "room" and (name, "thread") not in self.modes:
            self.run(self.voice(name, "thread").says("hello"))
            self.modes[name, "thread"] = self.mode(name, "room")
        reply = self.run(self.voice(name, place).says(COMMANDS[mode]))
        assert reply.mode is mode
        self.modes[name, place] = mode

    @rule(name=PEOPLE, place=PLACES)
    def tells(self, name: str, place: str) -> None:
        if place == "thread":
            self.modes.setdefault((name, "thread"), self.mode(name, "room"))
        self.number += 1
        fact = Fact(f"Quartz{name}{self.number}x", name, place, self.mode(name, place))
        reply = self.run(self.voice(name, place).says(f"My dog is called {fact.word}."))
        assert reply.mode is fact.mode
        self.facts.append(fact)

    @rule(name=PEOPLE, place=PLACES)
    def asks(self, name: str, place: str) -> None:
        if place == "thread":
            self.modes.setdefault((name, "thread"), self.mode(name, "room"))
        self.run(self.voice(name, place).says("/new"))
        self.run(self.voice(name, place).says("What is the dog called?"))
        prompt = self.model.calls[-1].text
        for fact in self.facts:
            allowed = fact.mode is PrivacyMode.NORMAL and self.mode(name, place) is not PrivacyMode.INCOGNITO
            shared = (fact.place == "dm") == (place == "dm") and (place != "dm" or fact.teller == name)
            assert (allowed and shared) or fact.word not in prompt, (fact, name, place)

    @rule(name=PEOPLE)
    def forgets_all(self, name: str) -> None:
        if self.mode(name, "dm") is PrivacyMode.INCOGNITO:
            return
        self.run(self.voice(name, "dm").says("/forget all"))
        self.run(self.voice(name, "dm").says("yes"))
        self.drop(lambda fact: fact.teller == name and fact.place == "dm")

    @rule(name=PEOPLE)
    def erases(self, name: str) -> None:
        self.run(self.voice(name, "dm").says("hello"))
        assert "erased" in self.run(self.voice(name, "dm").says("/erase DELETE EVERYTHING")).text
        self.drop(lambda fact: fact.teller == name)
        for key in [key for key in self.modes if key[0] == name]:
            del self.modes[key]

    def drop(self, which: object) -> None:
        gone = [fact for fact in self.facts if which(fact)]  # type: ignore[operator]  # a predicate
        self.gone += [fact.word for fact in gone]
        self.facts = [fact for fact in self.facts if fact not in gone]

    @rule()
    def restarts(self) -> None:
        self.run(self.stack.aclose())
        self.stack = AsyncExitStack()
        self.town = self.run(self.stack.enter_async_context(self.home.process(self.model)))

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.town.clock.advance(hours * 3600)

    @invariant()
    def nothing_is_left_of_what_must_not_be(self) -> None:
        if not hasattr(self, "town"):
            return
        hidden = [fact.word for fact in self.facts if fact.mode is PrivacyMode.INCOGNITO]
        for word in {*self.gone[-3:], *hidden[-3:]}:
            assert self.run(self.home.holds(word)) == [], word

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


def test_no_walk_leads_to_a_leak(template: Path, embedder: OnnxEmbedder) -> None:
    class Here(Walk):
        pass

    Here.template, Here.embedder = template, embedder
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
