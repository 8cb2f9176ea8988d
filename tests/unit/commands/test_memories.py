"""Seeing, keeping and forgetting memories, through the whole engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.batches import LearnBatch
from core.messages import Reply, RoomRole
from core.types import Audience, MemoryNamespace, UserId
from tests.support.world import Person, Town


async def user_of(person: Person) -> UserId:
    identity = await person.town.store.find_identity(person.place.platform, "", person.name)
    assert identity is not None
    return identity.user_id


async def namespace_of(person: Person) -> MemoryNamespace:
    return (await person.town.store.get_default_memory_profile(await user_of(person))).namespace


async def remembered(person: Person) -> list[str]:
    """What the person's default profile holds, newest said first."""
    memories = await person.town.memory.get_memories(await namespace_of(person), include_superseded=True)
    return [memory.text for memory in memories]


async def press(person: Person, reply: Reply, label: str) -> Reply:
    (button,) = [button for button in reply.buttons if button.label == label]
    assert len(button.command.encode()) <= 60
    return await person.says(button.command, audience=Audience.ASKER)


async def waiting_to_learn(person: Person) -> int:
    return len(await person.town.store.get_unlearned_messages(await namespace_of(person), 100))


async def test_the_list_is_numbered_dated_and_newest_first(town: Town) -> None:
    ana = town.person("ana")
    assert "nothing" in (await ana.says("/memories")).text
    await ana.says("My dog is called Rex")
    await ana.says("/remember I live in Oslo")
    lines = [line for line in (await ana.says("/memories")).text.splitlines() if line.startswith("-")]
    assert lines == [
        "- **1** “I live in Oslo” (22 Nov 2026, learned)",
        "- **2** “My dog is called Rex” (22 Nov 2026, recent)",
    ]


async def test_pages_of_ten_keep_their_numbers(town: Town) -> None:
    ana = town.person("ana")
    for number in range(12):
        await ana.says(f"/remember fact number {number}")
    first = await ana.says("/memories")
    assert "page 1 of 2" in first.text
    assert "`/memories 2`" in first.text
    assert len(first.buttons) == 10
    second = await ana.says("memories 2")
    assert "**11** “fact number 1”" in second.text
    assert "page 2 of 2" in (await ana.says("/memories 99999999999")).text
    await ana.says("/forget 12")
    await ana.says("/forget 1")
    assert sorted(await remembered(ana)) == sorted(f"fact number {number}" for number in range(1, 11))


async def test_words_search_the_memories(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember My dog is called Rex")
    await ana.says("/remember I work as a baker")
    found = (await ana.says("/memories dog")).text
    assert "Rex" in found
    assert "baker" not in found
    assert "nothing" in (await ana.says("/memories submarine engines")).text


async def test_markup_in_a_memory_stays_text(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember my **star** [link](http://x) `code`\n# title")
    assert r"my \*\*star\*\* \[link\](http://x) \`code\` # title" in (await ana.says("/memories")).text


async def test_the_history_of_a_fact_stands_under_it(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Bergen")
    await ana.says("/remember I live in Oslo")
    await supersede(town, await namespace_of(ana), "I live in Bergen", "I live in Oslo")
    text = (await ana.says("/memories")).text
    assert "1 memory" in text
    assert "- **1** “I live in Oslo” (22 Nov 2026, learned)\n  - before: “I live in Bergen”" in text


async def supersede(town: Town, namespace: MemoryNamespace, old: str, new: str) -> None:
    ids = {memory.text: memory.id for memory in await town.memory.get_memories(namespace)}
    state = await town.store.get_namespace_state(namespace)
    await town.store.apply_learning(LearnBatch(namespace, state.erase_generation, supersede=((ids[old], ids[new]),)))


@pytest.mark.parametrize(("mode", "way"), [("/pause", "/resume"), ("/incognito", "/incognito off")])
async def test_nothing_is_kept_on_request_while_learning_is_off(town: Town, mode: str, way: str) -> None:
    ana = town.person("ana")
    await ana.says(mode)
    assert f"`{way}`" in (await ana.says("/remember I live in Oslo")).text
    assert await remembered(ana) == []


async def test_secrets_are_not_kept_on_request_either(town: Town) -> None:
    ana = town.person("ana")
    reply = await ana.says("/remember my password is hunter2!x")
    assert "never keep" in reply.text
    assert await remembered(ana) == []


async def test_forgetting_by_number(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    await ana.says("/remember I live in Oslo")
    await ana.says("/memories")
    reply = await ana.says("/forget 2")
    assert "Forgotten: 1 memory" in reply.text
    assert "found nothing" in reply.text
    assert "Rex" not in reply.text
    assert await remembered(ana) == ["I live in Oslo"]
    assert await waiting_to_learn(ana) == 0, "the learning job must not bring it back"
    assert "forgotten already" in (await ana.says("/forget 2")).text


@pytest.mark.parametrize("number", ["0", "2", "999999999999"])
async def test_a_number_outside_the_list_forgets_nothing(town: Town, number: str) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    await ana.says("/memories")
    assert "not in the list" in (await ana.says(f"/forget {number}")).text
    assert await remembered(ana) == ["I live in Oslo"]


async def test_a_list_counts_for_an_hour(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    await ana.says("/memories")
    town.clock.advance(timedelta(hours=1))
    assert "not in the list" in (await ana.says("/forget 1")).text


async def test_a_forget_button_works_once_and_for_its_owner_only(town: Town) -> None:
    ana, bob = town.person("ana"), town.person("bob")
    await ana.says("/remember I live in Oslo")
    shown = await ana.says("/memories")
    await bob.says("hello")
    assert "not in the list" in (await press(bob, shown, "Forget 1")).text
    assert await remembered(ana) == ["I live in Oslo"]
    town.clock.advance(timedelta(hours=2))
    assert "Forgotten: 1 memory" in (await press(ana, shown, "Forget 1")).text
    assert "not in the list" in (await press(ana, shown, "Forget 1")).text
    assert await remembered(ana) == []


@pytest.mark.parametrize("reference", ["#", "#*", "#a", "#00000000-000", "#00000000-000@nowhere", "#@@", "# :"])
async def test_guessed_references_forget_nothing(town: Town, reference: str) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    assert "not in the list" in (await ana.says(f"/forget {reference}")).text
    assert await remembered(ana) == ["I live in Oslo"]


async def test_forget_last_takes_what_the_last_message_told(town: Town) -> None:
    ana = town.person("ana")
    assert "no message of yours" in (await ana.says("/forget last")).text
    await ana.says("My dog is called Rex")
    await ana.says("My cat is called Tom")
    assert "Forgotten: 1 memory" in (await ana.says("forget last")).text
    assert await remembered(ana) == ["My dog is called Rex"]
    assert await waiting_to_learn(ana) == 2, "user message and reply of the first turn"
    await ana.says("What is my dog called?")
    assert "had learned nothing" in (await ana.says("/forget last")).text
    assert await remembered(ana) == ["My dog is called Rex"]
    assert "Forgotten: 1 memory" in (await ana.says("/forget last")).text, "the last one that is left"


async def test_forgetting_by_words_asks_which(town: Town) -> None:
    ana = town.person("ana")
    for text in ("My dog is called Rex", "My dog loves the beach", "I work as a baker"):
        await ana.says(f"/remember {text}")
    question = await ana.says("/forget my dog")
    assert "Which of these?" in question.text
    assert {"Forget 1", "Forget 2", "Forget all 2", "Cancel"} <= {button.label for button in question.buttons}
    assert len(await remembered(ana)) == 3
    assert "Forgotten: 2 memories" in (await press(ana, question, "Forget all 2")).text
    assert await remembered(ana) == ["I work as a baker"]
    assert "no longer valid" in (await press(ana, question, "Forget all 2")).text


async def test_one_match_is_asked_about_too(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I work as a baker")
    question = await ana.says("/forget baker")
    assert [button.label for button in question.buttons] == ["Forget it", "Cancel"]
    assert "Nothing was changed" in (await press(ana, question, "Cancel")).text
    assert "no longer valid" in (await press(ana, question, "Forget it")).text
    assert await remembered(ana) == ["I work as a baker"]
    assert "nothing about that" in (await ana.says("/forget submarine engines")).text
    assert "/forget NUMBER" in (await ana.says("/forget")).text


async def test_forget_all_empties_the_profile_after_a_yes(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    await ana.says("/remember I live in Oslo")
    question = await ana.says("/forget all")
    assert "2 memories" in question.text
    assert question.buttons[0].danger
    assert len(await remembered(ana)) == 2
    done = await ana.says("/confirm")
    assert "Forgotten: 2 memories" in done.text
    assert await remembered(ana) == []
    assert await waiting_to_learn(ana) == 0


async def test_an_old_question_is_no_longer_valid(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    question = await ana.says("/forget all")
    town.clock.advance(timedelta(minutes=11))
    assert "no longer valid" in (await press(ana, question, "Forget all")).text
    assert "no longer valid" in (await ana.says("/confirm")).text
    assert len(await remembered(ana)) == 1


async def test_another_persons_press_finds_nothing(town: Town) -> None:
    ana, bob = town.person("ana"), town.person("bob")
    await ana.says("/remember I live in Oslo")
    question = await ana.says("/forget all")
    await bob.says("hello")
    assert "no longer valid" in (await press(bob, question, "Forget all")).text
    assert len(await remembered(ana)) == 1


async def test_the_newest_question_is_the_one_that_a_typed_answer_means(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/remember I live in Oslo")
    older = await ana.says("/forget all")
    await ana.says("/profile new work")
    await ana.says("/profile delete work")
    assert "**work** is gone" in (await ana.says("/confirm")).text
    assert "no longer valid" in (await ana.says("/confirm")).text
    assert "Forgotten" in (await press(ana, older, "Forget all")).text


async def test_why_names_memories_sources_and_own_words(town: Town) -> None:
    ana = town.person("ana")
    assert "not answered anything" in (await ana.says("/why")).text
    await ana.says("My dog is called Rex")
    await ana.says("What is my dog called?")
    shown = await ana.says("/why")
    assert "used 1 memory" in shown.text
    assert "told on Test on 22 Nov 2026: “My dog is called Rex”" in shown.text
    assert "Forgotten: 1 memory" in (await press(ana, shown, "Forget 1")).text
    assert "no record of that reply" in (await ana.says("/why")).text


async def test_why_is_honest_about_incognito(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/incognito")
    await ana.says("What is my dog called?")
    assert "used no memory at all" in (await ana.says("/why")).text


async def test_a_room_shows_managers_all_and_members_their_own(town: Town) -> None:
    place = town.room("team")
    ana, boss = town.person("ana", place), town.person("boss", place, RoomRole.MANAGER)
    await ana.says("The launch is on Friday")
    await boss.says("The budget is ten thousand")
    seen_by_member = await ana.says("/memories")
    assert seen_by_member.audience is Audience.ASKER
    assert "launch" in seen_by_member.text
    assert "budget" not in seen_by_member.text
    seen_by_manager = await boss.says("/memories")
    assert "launch" in seen_by_manager.text
    assert "Ana" in seen_by_manager.text
    assert "budget" in seen_by_manager.text


async def test_a_member_forgets_only_what_they_said(town: Town) -> None:
    place = town.room("team")
    ana, boss = town.person("ana", place), town.person("boss", place, RoomRole.MANAGER)
    await ana.says("The launch is on Friday")
    await boss.says("The budget is ten thousand")
    shown = await boss.says("/memories")
    (budget,) = [button for button in shown.buttons if button.label == "Forget 1"]
    assert "not in the list" in (await ana.says(budget.command)).text
    question = await ana.says("/forget all")
    assert "1 memory" in question.text
    assert "Forgotten: 1 memory" in (await press(ana, question, "Forget all")).text
    left = (await boss.says("/memories")).text
    assert "launch" not in left
    assert "budget" in left


async def test_a_rooms_buttons_work_in_the_direct_chat_they_were_shown_in(town: Town) -> None:
    place = town.room("team")
    boss, direct = town.person("boss", place, RoomRole.MANAGER), town.person("boss")
    ana = town.person("ana", place)
    await ana.says("The launch is on Friday")
    await direct.says("hello")
    shown = await boss.says("/memories")
    question = await boss.says("/forget all")
    assert "Forgotten: 1 memory" in (await press(direct, shown, "Forget 1")).text
    await ana.says("The launch is on Monday")
    assert "Forgotten: 1 memory" in (await press(direct, question, "Forget all")).text
    assert "nothing" in (await boss.says("/memories")).text


async def test_a_manager_who_is_one_no_more_loses_the_others_memories(town: Town) -> None:
    place = town.room("team")
    boss, ana = town.person("boss", place, RoomRole.MANAGER), town.person("ana", place)
    await ana.says("The launch is on Friday")
    await boss.says("/memories")
    boss.role = RoomRole.MEMBER
    assert "not in the list" in (await boss.says("/forget 1")).text


async def test_what_is_remembered_in_a_room_belongs_to_those_who_can_read_it(town: Town) -> None:
    place = town.room("team")
    ana = town.person("ana", place)
    assert "room's memory" in (await ana.says("/remember The door code changes weekly")).text
    assert "your memory" in (await ana.says("/remember I am nervous about it", audience=Audience.ASKER)).text
    assert await remembered(ana) == ["I am nervous about it"]


async def test_why_in_a_room_shows_a_shared_profile_without_its_words(town: Town) -> None:
    place = town.room("team")
    ana, bob = town.person("ana"), town.person("bob", place)
    await ana.says("My dog is called Rex")
    in_room = town.person("ana", place)
    await in_room.says("/profile share personal")
    assert "Rex" in (await bob.says("What is the dog called?")).text
    shown = await bob.says("/why")
    assert "its owner shares" in shown.text
    assert "told on" not in shown.text
    assert shown.buttons == ()
    await in_room.says("What is the dog called?")
    assert "told on Test" in (await in_room.says("/why")).text, "its owner sees the source"
    await in_room.says("/profile unshare personal")
    assert "Rex" not in (await bob.says("/why")).text
