"""Several memories for one person."""

from __future__ import annotations

import pytest

from core.messages import Reply
from core.types import new_id
from tests.support.world import Person, Town
from tests.unit.commands.test_memories import press, user_of


async def names(person: Person) -> list[str]:
    return [profile.name for profile in await person.town.store.get_memory_profiles(await user_of(person))]


def labels(reply: Reply) -> list[str]:
    return [button.label for button in reply.buttons]


async def test_the_picker_offers_what_is_not_in_use(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    await ana.says("/profile new Work")
    picker = await ana.says("/profile")
    assert "- **personal**: 1 memory, default, in use here" in picker.text
    assert labels(picker) == ["Work"]
    assert "**Work** now" in (await press(ana, picker, "Work")).text
    assert labels(await ana.says("profile")) == ["personal"]


async def test_profiles_keep_memories_apart(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    await ana.says("/profile new work")
    await ana.says("profile use work")
    assert "Rex" not in (await ana.says("What is my dog called?")).text
    await ana.says("/profile use personal")
    assert "Rex" in (await ana.says("What is my dog called?")).text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/profile new PERSONAL", "already have"),
        ("/profile new " + "x" * 41, "1 to 40"),
        ("/profile new /help", "1 to 40"),
        ("/profile rename personel home", "**personal**"),
        ("/profile rename personal", "OLD NEW"),
        ("/profile default nowhere", "no profile with that name"),
        ("/profile delete personal", "only profile"),
        ("/profile share personal", "rooms"),
        ("/profile instructions " + "x" * 2001, "2,000"),
    ],
)
async def test_what_cannot_be_done_is_said(town: Town, text: str, says: str) -> None:
    ana = town.person("ana")
    assert says in (await ana.says(text)).text
    assert await names(ana) == ["personal"]


async def test_names_with_blanks_can_be_renamed(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/profile new my")
    await ana.says("/profile new my work")
    await ana.says("/profile rename My Work at the bakery")
    assert sorted(await names(ana)) == ["at the bakery", "my", "personal"]
    assert "already have" in (await ana.says("/profile rename my PERSONAL")).text


async def test_the_default_counts_where_nothing_was_chosen(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/profile new work")
    await ana.says("/profile default work")
    assert "**Profile:** work" in (await ana.says("/status")).text


async def test_deleting_asks_and_takes_the_memories_along(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    await ana.says("/profile new work")
    question = await ana.says("/profile delete personal")
    assert "1 memory" in question.text
    assert len(await names(ana)) == 2
    done = await press(ana, question, "Delete personal")
    assert "1 memory" in done.text
    assert "found nothing" in done.text
    assert await names(ana) == ["work"]
    assert "Rex" not in (await ana.says("What is my dog called?")).text


async def test_the_last_profile_survives_two_open_questions(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/profile new work")
    one, other = await ana.says("/profile delete personal"), await ana.says("/profile delete work")
    await press(ana, one, "Delete personal")
    assert "only profile" in (await press(ana, other, "Delete work")).text
    assert await names(ana) == ["work"]


async def test_another_persons_profile_cannot_be_named_by_id(town: Town) -> None:
    ana, bob = town.person("ana"), town.person("bob")
    await ana.says("/remember I live in Oslo")
    await bob.says("/profile new work")
    (profile,) = await town.store.get_memory_profiles(await user_of(ana))
    for command in ("use", "delete", "default", "rename", "unshare", "share"):
        text = f"/profile {command} {profile.id} mine".removesuffix("" if command == "rename" else " mine")
        assert "no profile with that name" in (await bob.says(text)).text
    for command in ("share", "unshare"):
        inside = town.person("bob", town.room("team"))
        assert "no profile with that name" in (await inside.says(f"/profile {command} {profile.id}")).text
    assert "no profile" in (await bob.says(f"/profile use {new_id()}")).text
    assert await names(ana) == ["personal"]


async def test_instructions_are_shown_set_and_cleared(town: Town) -> None:
    ana = town.person("ana")
    assert "no instructions" in (await ana.says("/profile instructions")).text
    await ana.says("/profile instructions Answer in *rhymes*")
    assert r"“Answer in \*rhymes\*”" in (await ana.says("/profile instructions")).text
    await ana.says("/profile instructions clear")
    assert "no instructions" in (await ana.says("/profile instructions")).text


async def test_sharing_warns_begins_a_new_talk_and_can_be_taken_back(town: Town) -> None:
    place = town.room("team")
    ana, bob = town.person("ana", place), town.person("bob", place)
    await town.person("ana").says("My dog is called Rex")
    await bob.says("hello")
    assert "Rex" not in (await bob.says("What is the dog called?")).text
    warning = await ana.says("/profile share personal")
    assert "everybody who can read this room" in warning.text
    assert await open_room_sessions(town, bob) == 0
    assert "shared with a room" in (await ana.says("/profile")).text
    assert "Rex" in (await bob.says("What is the dog called?")).text
    assert "no longer shared" in (await press(ana, warning, "Unshare")).text
    assert await open_room_sessions(town, bob) == 0
    assert "Rex" not in (await bob.says("What is the dog called?")).text
    assert "was not shared" in (await ana.says("/profile unshare personal")).text


async def test_a_share_made_in_a_thread_counts_for_its_channel(town: Town) -> None:
    thread, channel = town.room("team", "thread-1"), town.room("team")
    await town.person("ana").says("My dog is called Rex")
    await town.person("ana", thread).says("/profile share personal")
    assert "Rex" in (await town.person("bob", channel).says("What is the dog called?")).text


async def open_room_sessions(town: Town, person: Person) -> int:
    conversation = await town.store.find_conversation(person.place)
    assert conversation is not None
    assert conversation.space_id is not None
    sessions = await town.store.get_user_sessions(conversation.space_id)
    return len([session for session in sessions if session.closed_at is None])
