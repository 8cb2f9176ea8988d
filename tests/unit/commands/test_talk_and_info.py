"""`/new`, `/retry`, `/ask`, `/help`, `/status`, `/usage`, `/timezone`."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.embedder import OnnxEmbedder
from core.commands.format import day, plain, quoted
from core.commands.info import match_zone, product_version, zone_names
from core.errors import ModelUnavailable
from core.types import Audience
from tests.support.models import ScriptedModel
from tests.support.world import Town, world
from tests.unit.commands.test_memories import press, user_of


async def test_retry_answers_the_failed_message_again(embedder: OnnxEmbedder) -> None:
    model = ScriptedModel(failures=[ModelUnavailable()])
    async with world(embedder=embedder, model=model) as town:
        ana = town.person("ana")
        assert "/retry" in (await ana.says("tell me a story")).text
        assert (await ana.says("/retry")).text == "You said: tell me a story"


async def test_retry_finds_nothing_before_the_first_and_after_a_new_talk(town: Town) -> None:
    ana = town.person("ana")
    assert "no message of yours" in (await ana.says("/retry")).text
    await ana.says("My dog is called Rex")
    await ana.says("/new")
    assert "no message of yours" in (await ana.says("retry")).text


async def test_retry_never_carries_a_message_into_another_mode(town: Town) -> None:
    ana = town.person("ana", town.room("team"))
    await ana.says("My dog is called Rex")
    await ana.says("/pause")
    assert "another privacy mode" in (await ana.says("/retry")).text


async def test_an_incognito_message_that_was_answered_is_gone(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("/incognito")
    await ana.says("My dog is called Rex")
    assert "keep no incognito message" in (await ana.says("/retry")).text


async def test_ask_in_a_room_answers_the_asker_from_their_own_memory(town: Town) -> None:
    await town.person("ana").says("My dog is called Rex")
    ana = town.person("ana", town.room("team"))
    reply = await ana.says("/ask What is my dog called?")
    assert reply.audience is Audience.ASKER
    assert "Rex" in reply.text
    assert "missing" in (await ana.says("/ask")).text


async def test_help_lists_what_there_is(town: Town) -> None:
    ana = town.person("ana")
    text = (await ana.says("/help")).text
    for command in town.services.registry.visible:
        assert f"`/{command.name}" in text
    assert "/confirm" not in text
    assert (await ana.says("/start payload")).text == text


async def test_help_explains_one_command(town: Town) -> None:
    ana = town.person("ana")
    text = (await ana.says("/help /forget")).text
    assert "N|last|all|WORDS" in text
    assert "Only you see the answer" in text
    assert "/profile rename name [NEW]" in (await ana.says("/help profile")).text
    assert "`/forget`" in (await ana.says("/help forgte")).text


async def test_status_says_what_holds(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    text = (await ana.says("/status")).text
    for line in (
        "- **Profile:** personal (1 memory)",
        "- **Mode:** Normal mode.",
        "2 messages",
        "- **Model:** offline: I only store and quote",
        "- **Memory:** ready",
        "- **Today:** 1 message,",
        f"- **Version:** {product_version()}",
    ):
        assert line in text
    await ana.says("/pause")
    paused = (await ana.says("/status")).text
    assert "Every reply carries the sign ⏸ memory paused" in paused


async def test_status_in_a_room_tells_of_the_room_to_the_asker_alone(town: Town) -> None:
    ana = town.person("ana", town.room("team"))
    reply = await ana.says("/status")
    assert reply.audience is Audience.ASKER
    assert "- **Room:** what all can read uses this room's own memory and 0 shared profiles" in reply.text


async def test_status_names_a_connected_model(embedder: OnnxEmbedder) -> None:
    async with world(embedder=embedder, model=ScriptedModel(name="gpt-4o-mini")) as town:
        assert "- **Model:** gpt-4o-mini" in (await town.person("ana").says("/status")).text


async def test_usage_counts_today(town: Town) -> None:
    ana = town.person("ana")
    await ana.says("My dog is called Rex")
    text = (await ana.says("usage")).text
    assert "1 message, " in text
    assert "1 memory in 1 profile" in text


async def test_a_time_zone_is_shown_set_and_guessed_at(town: Town) -> None:
    ana = town.person("ana")
    assert "**UTC**" in (await ana.says("/timezone")).text
    assert "**Europe/Berlin** now, where it is 13:0" in (await ana.says("/timezone berlin")).text
    guess = await ana.says("/timezone Asia/Tokio")
    assert (await town.store.get_user_by_id(await user_of(ana))).timezone == "Europe/Berlin"
    await press(ana, guess, "Asia/Tokyo")
    assert (await town.store.get_user_by_id(await user_of(ana))).timezone == "Asia/Tokyo"
    assert "Europe/Berlin" in (await ana.says("/timezone xyzzyx")).text


def test_a_city_that_two_zones_have_is_asked_about() -> None:
    names = ["America/Indiana/Knox", "America/Knox", "Europe/Oslo"]
    assert match_zone(names, "knox") == (None, ["America/Indiana/Knox", "America/Knox"])
    assert match_zone(names, "EUROPE/oslo") == ("Europe/Oslo", [])
    assert match_zone(zone_names(), "new york") == ("America/New_York", [])


@given(st.sampled_from(sorted(available_timezones())))
def test_every_zone_is_found_by_its_name(name: str) -> None:
    assert match_zone(zone_names(), name.swapcase()) == (name, [])


@given(st.text(max_size=50))
def test_any_text_for_a_zone_is_answered(text: str) -> None:
    name, near = match_zone(zone_names(), text)
    assert name is None or not near
    assert len(near) <= 3


def test_dates_are_the_persons() -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert day(late, "UTC") == "31 Dec 2026"
    assert day(late, "Asia/Tokyo") == "1 Jan 2027"
    assert day(late, "No/Where") == day(late, "../etc") == "31 Dec 2026"
    assert late.astimezone(ZoneInfo("Asia/Tokyo")).day == 1


@given(st.text(max_size=400))
def test_quoted_words_stay_on_one_line_and_short(text: str) -> None:
    line = quoted(text, 100)
    assert "\n" not in line
    assert len(line) <= 2 + 2 * 100
    assert "\n" not in plain(text)
