"""The leak matrix of docs/privacy.md, row by row and in every stage, through the real adapters of all platforms."""

from __future__ import annotations

import re
import secrets
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from core.policy import EnginePolicy
from tests.privacy.homes import Home
from tests.privacy.theatre import ALL, Theatre, Voice, theatre
from tests.support.models import ScriptedModel

DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"
PLACES = ("dm", "group", "thread")
STAGES = ("before", "linked", "forgotten", "erased")
QUESTION = "What is the dog called?"
counted: dict[str, int] = {"cells": 0, "questions": 0}


@dataclass(frozen=True)
class Row:
    """`seen` are the places, by asker, where the fact is in the prompt."""

    told_in: str
    profile: str
    mode: str
    seen: frozenset[tuple[str, str]]
    by_second_account: bool


def rows() -> list[Row]:
    table = DOCUMENT.read_text().partition("<!-- matrix")[2]
    found = []
    for line in re.findall(r"^\| ((?:dm|group|thread) \|.*) \|$", table, re.MULTILINE):
        told_in, profile, mode, *words = (cell.strip() for cell in line.split("|"))
        assert set(words) <= {"yes", "no"}, line
        asked = list(product(("ana", "bo"), PLACES))
        seen = frozenset(who for who, word in zip(asked, words[:6], strict=True) if word == "yes")
        found.append(Row(told_in, profile, mode, seen, words[6] == "yes"))
    return found


def test_the_table_says_something_about_every_combination() -> None:
    combinations = product(PLACES, ("own", "other", "shared"), ("normal", "pause", "incognito"))
    assert [(row.told_in, row.profile, row.mode) for row in rows()] == list(combinations)


class Cast:
    """Ana and Bo on one platform, with a group of their own, and Ana's second account on another platform. A terminal
    has one person, so that Bo asks from the next platform there."""

    def __init__(self, stage: Theatre, platform: str, name: str) -> None:
        self.stage = stage
        self.platform = platform
        self.name = name
        self.places = stage.scenes[platform].places
        other = ALL[(ALL.index(platform) + 1) % len(ALL)]
        room = f"room-{name}"
        self._ana = stage.voice(platform, f"ana-{name}", room)
        self._bo = stage.voice(platform if platform != "console" else other, f"bo-{name}", room)
        self.second = stage.voice(other, f"ana2-{name}", room)

    def person(self, who: str, place: str) -> Voice:
        return (self._ana if who == "ana" else self._bo).at(place)

    async def gets(self, person: Voice, fact: str) -> bool:
        """Whether the fact is in the prompt of a fresh talk, which what they then read tells as well."""
        await self.stage.advance(EnginePolicy().session_idle.total_seconds() + 1)
        asked = len(self.stage.model.calls)
        read = await person.says(QUESTION)
        assert len(self.stage.model.calls) == asked + 1
        counted["questions"] += 1
        assert (fact in read) == (fact in self.stage.model.calls[-1].text)
        return fact in self.stage.model.calls[-1].text


_MODES = {"normal": "/privacy normal", "pause": "/pause", "incognito": "/incognito"}


async def tell(cast: Cast, row: Row, fact: str) -> None:
    """In the mode of the row, which is left again afterwards."""
    teller = cast.person("ana", row.told_in)
    await teller.says(_MODES[row.mode])
    badge = {"normal": "", "pause": "memory paused", "incognito": "incognito"}[row.mode]
    assert badge in await teller.says(f"My dog is called {fact}.")
    if row.mode == "incognito":
        await teller.says("What did I just tell you?")
    await teller.says("/privacy normal")


async def expect(cast: Cast, row: Row, fact: str, stage: str) -> None:
    counted["cells"] += 2
    # Once no byte of it is left, only what the process still has in memory could tell it: asking once each is enough.
    places = cast.places if stage in ("before", "linked") else (row.told_in,)
    for who, place in product(("ana", "bo"), places):
        wanted = stage in ("before", "linked") and (who, place) in row.seen
        assert await cast.gets(cast.person(who, place), fact) is wanted, (cast.platform, row, stage, who, place)
    wanted = stage == "linked" and row.by_second_account
    assert await cast.gets(cast.second, fact) is wanted, (cast.platform, row, stage, "2nd account")


async def check_bytes(home: Home, row: Row, fact: str, stage: str) -> None:
    found = await home.holds(fact)
    if stage in ("forgotten", "erased") or row.mode == "incognito":
        assert found == [], (row, stage)
    else:
        assert found, "what was told is kept"
        assert not [item for item in found if item.place.endswith(".log")]
        assert all(item.sealed for item in found) or not home.sealed, found


async def run_row(home: Home, cast: Cast, row: Row) -> None:
    fact = f"Quartz{secrets.token_hex(5)}"
    home_place = cast.person("ana", "dm")
    await home_place.says("/profile new work")
    if row.profile == "shared" and "group" in cast.places:
        assert "everybody who can read this room" in await cast.person("ana", "group").says("/profile share personal")
    await tell(cast, row, fact)
    if row.profile == "other":
        for place in cast.places:
            await cast.person("ana", place).says("/profile use work")
    await expect(cast, row, fact, "before")
    await check_bytes(home, row, fact, "before")
    code = re.search(r"/link ([A-Z0-9]{5}-[A-Z0-9]{5})", await home_place.says("/link"))
    assert code
    await cast.second.says(f"/link {code[1]}")
    assert "one person in both places" in await cast.second.says("yes")
    await expect(cast, row, fact, "linked")
    await check_bytes(home, row, fact, "linked")
    await forget(cast, row)
    await check_bytes(home, row, fact, "forgotten")
    await expect(cast, row, fact, "forgotten")
    await tell(cast, row, fact)
    assert "Everything is erased" in await home_place.says("/erase DELETE EVERYTHING")
    await check_bytes(home, row, fact, "erased")
    await expect(cast, row, fact, "erased")
    await check_bytes(home, row, fact, "erased")


async def forget(cast: Cast, row: Row) -> None:
    """All of the profile, or of the room what she told; in a talk that is paused its last message, which is history."""
    teller = cast.person("ana", row.told_in)
    if row.profile == "other" and row.told_in == "dm":
        await teller.says("/profile use personal")
    await teller.says("/forget all")
    await teller.says("yes")
    if row.profile == "other" and row.told_in == "dm":
        await teller.says("/profile use work")


def talkative() -> ScriptedModel:
    """It repeats its whole prompt, so that what is in the prompt is in the reply."""
    model = ScriptedModel()
    model.answer = lambda _: model.calls[-1].text.replace("\n", " ")
    return model


@pytest.mark.long
@pytest.mark.parametrize("told_in", PLACES)
@pytest.mark.parametrize("platform", ALL)
async def test_nothing_crosses_but_what_the_table_allows(
    tmp_path: Path, template: Path, embedder: OnnxEmbedder, platform: str, told_in: str
) -> None:
    home = Home(tmp_path, template, embedder, sealed=platform in ("slack", "console"))
    home.hurried = True
    async with theatre(home, talkative(), tmp_path) as stage:
        if told_in not in stage.scenes[platform].places:
            assert platform == "console"
            return
        for number, row in enumerate(row for row in rows() if row.told_in == told_in):
            await run_row(home, Cast(stage, platform, f"{told_in}{number}"), row)


@pytest.mark.long
def test_the_number_of_cells_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Two people in four stages, for each row and each platform that has the place it is told in."""
    with capsys.disabled():
        sys.stdout.write(f"\nleak matrix: {counted['cells']} cells green, {counted['questions']} questions asked\n")
    assert counted["cells"] == (9 + 3 * 27) * len(STAGES) * 2


@pytest.mark.parametrize(
    ("platform", "which"),
    [
        ("console", ("dm", "own", "normal")),
        ("slack", ("thread", "own", "incognito")),
        ("telegram", ("dm", "shared", "normal")),
        ("discord", ("group", "other", "normal")),
    ],
)
async def test_a_row_for_each_platform(
    tmp_path: Path, template: Path, embedder: OnnxEmbedder, platform: str, which: tuple[str, str, str]
) -> None:
    """The short form of the whole table, which `make test-long` walks."""
    home = Home(tmp_path, template, embedder, sealed=True)
    home.hurried = True
    async with theatre(home, talkative(), tmp_path) as stage:
        (row,) = [row for row in rows() if (row.told_in, row.profile, row.mode) == which]
        await run_row(home, Cast(stage, platform, "short"), row)
