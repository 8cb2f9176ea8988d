"""Replies arrive whole, where their readers are and nowhere else, and are never sent twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.markdown.discord import LIMIT
from core.errors import DeliveryRefused, DeliveryUnknown
from core.messages import Button, InboundMessage, OutboundFile, ReplyAddress
from core.types import Audience, TurnId
from tests.e2e.discord.desk import Desk, reply
from tests.e2e.discord.server import SimulatedDiscord

LONG = "\n\n".join(f"Paragraph {number}: " + "word " * 60 for number in range(20))
TURN = TurnId("turn")


async def ask_in_room(sim: SimulatedDiscord, desk: Desk, text: str = "hello") -> tuple[InboundMessage, ReplyAddress]:
    """Somebody mentions the bot in a channel."""
    await sim.say(sim.person("ada"), f"{sim.mention} {text}", sim.channel())
    return desk.messages[-1], ReplyAddress.of(desk.messages[-1])


async def test_a_reply_quotes_what_it_answers_and_pings_nobody(sim: SimulatedDiscord, desk: Desk) -> None:
    message, address = await ask_in_room(sim, desk)
    await sim.adapter.send(address, reply("Hi <@1> @everyone <@&2>"), nonce="1")
    bodies: list[Any] = [request.json for request in sim.env.http_requests if request.path.endswith("/messages")]
    [body] = bodies
    assert body["message_reference"]["message_id"] == int(message.message_id)
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert len(body["nonce"]) <= 25
    assert body["enforce_nonce"]


async def test_a_long_reply_arrives_whole_in_several_messages(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(ada := sim.person("ada"), "tell me everything")
    ids = await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply(LONG, badge="🔒 incognito"), nonce="1")
    parts = sim.visible_messages(ada.dm_channel)[1:]
    assert len(ids) == len(parts) > 1
    assert all(len(part) <= LIMIT for part in parts)
    assert " ".join(parts).split() == [*LONG.split(), "-#", "🔒", "incognito"]


async def test_a_reply_streams_by_edits_and_its_final_text_is_whole(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(ada := sim.person("ada"), "tell me everything")
    stream = await sim.adapter.open_stream(ReplyAddress.of(desk.messages[0]), turn_id=TURN, nonce="1")
    for size in range(500, len(LONG), 500):
        await stream.update(LONG[:size])
        assert sim.visible_messages(ada.dm_channel)[-1].split()[-1] in LONG[:size]
    known = stream.message_ids
    ids = await stream.finish(reply(LONG))
    assert ids[: len(known)] == known
    assert " ".join(sim.visible_messages(ada.dm_channel)[1:]).split() == LONG.split()


async def test_what_says_it_already_is_not_edited_again(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    stream = await sim.adapter.open_stream(address, turn_id=TURN, nonce="1")
    await stream.update("the whole answer")
    await stream.update("the whole answer")
    await stream.finish(reply("the whole answer"))
    assert [request.method for request in sim.env.http_requests if "/messages" in request.path] == ["POST"]


async def test_an_update_that_is_cut_off_does_not_stand_over_the_final_text(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    stream = await sim.adapter.open_stream(address, turn_id=TURN, nonce="1")
    pump = asyncio.create_task(stream.update("The beginn"))
    await asyncio.sleep(0)
    pump.cancel()
    [message_id] = await stream.finish(reply("The beginning and the end"))
    channel = sim.env.guild.channels["general"]
    assert sim.visible_messages(channel)[1:] == ["The beginning and the end"]
    assert str(channel.history()[-1].id) == message_id


async def test_after_a_crash_the_known_messages_become_the_final_text(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    known = await sim.adapter.send(address, reply("half of the ans"), nonce="1")
    again = await sim.adapter.send(address, reply("the answer"), nonce="1", known_ids=known)
    assert again == known
    assert sim.visible_messages(sim.env.guild.channels["general"])[1:] == ["the answer"]


async def test_known_messages_that_are_too_many_are_deleted(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    known = await sim.adapter.send(address, reply(LONG), nonce="1")
    await sim.adapter.send(address, reply("short after all"), nonce="1", known_ids=known)
    assert sim.visible_messages(sim.env.guild.channels["general"])[1:] == ["short after all"]


async def test_a_known_message_that_somebody_deleted_is_sent_anew(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    channel = sim.env.guild.channels["general"]
    [known] = await sim.adapter.send(address, reply("half"), nonce="1")
    sim.env.backend.delete_message(channel.id, int(known))
    [sent] = await sim.adapter.send(address, reply("whole"), nonce="1", known_ids=[known])
    assert sent != known
    assert sim.visible_messages(channel)[1:] == ["whole"]


async def test_a_repeated_reply_says_that_it_may_be_one(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(ada := sim.person("ada"), "hello")
    answer = reply("hi", badge="🔒 incognito", maybe_duplicate=True)
    await sim.adapter.send(ReplyAddress.of(desk.messages[0]), answer, nonce="1")
    assert sim.visible_messages(ada.dm_channel)[-1] == "hi\n-# (may be a duplicate) 🔒 incognito"


async def test_edit_changes_a_message(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    [sent] = await sim.adapter.send(address, reply("one"), nonce="1")
    await sim.adapter.edit(address, sent, reply("two"))
    assert sim.visible_messages(sim.env.guild.channels["general"])[-1] == "two"


async def test_files_follow_the_text(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(ada := sim.person("ada"), "/export")
    files = (OutboundFile("data.json", "application/json", b"{}"), OutboundFile("data.md", "text/markdown", b"# all"))
    address = ReplyAddress.of(desk.messages[0])
    ids = await sim.adapter.send(address, reply("Here it is", files=files), nonce="1")
    assert len(ids) == 3
    sent = ada.dm_channel.history()[1:]
    assert [[file.filename for file in message.attachments] for message in sent] == [[], ["data.json"], ["data.md"]]
    again = await sim.adapter.send(address, reply("Here it is", files=files), nonce="1", known_ids=ids)
    assert again == ids


async def test_typing_is_shown_and_never_fatal(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    sim.env.inject_error("POST", "/channels/*/typing", status=403)
    await sim.adapter.typing(address)
    await sim.env.settle()
    await sim.adapter.typing(address)
    await sim.env.settle()
    await sim.adapter.stop()
    assert len([request for request in sim.env.http_requests if request.path.endswith("/typing")]) == 2


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, 50001, DeliveryRefused),
        (403, 50013, DeliveryRefused),
        (404, 10003, DeliveryRefused),
        (503, 0, DeliveryUnknown),
    ],
)
async def test_a_refusal_is_told_in_our_words(
    sim: SimulatedDiscord, desk: Desk, status: int, code: int, expected: type[Exception]
) -> None:
    _, address = await ask_in_room(sim, desk)
    sim.env.inject_error("POST", "/channels/*/messages", status=status, code=code, message="secret words")
    with pytest.raises(expected) as caught:
        await sim.adapter.send(address, reply("hello"), nonce="1")
    assert "secret" not in str(caught.value)


async def test_a_failure_in_the_middle_says_what_arrived(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(sim.person("ada"), "tell me everything")
    address = ReplyAddress.of(desk.messages[0])
    stream = await sim.adapter.open_stream(address, turn_id=TURN, nonce="1")
    await stream.update("Paragraph")
    sim.env.inject_error("POST", "/channels/*/messages", status=503)
    with pytest.raises(DeliveryUnknown) as caught:
        await stream.finish(reply(LONG))
    assert caught.value.sent_ids == stream.message_ids
    assert len(stream.message_ids) == 1
    ids = await sim.adapter.send(address, reply(LONG), nonce="1", known_ids=stream.message_ids)
    assert ids[:1] == stream.message_ids


async def test_without_the_right_to_read_history_a_reply_comes_without_its_quote(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    _, address = await ask_in_room(sim, desk)
    sim.env.inject_error("POST", "/channels/*/messages", status=400, code=160002)
    await sim.adapter.send(address, reply("hello"), nonce="1")
    assert sim.visible_messages(sim.env.guild.channels["general"])[-1] == "hello"


async def test_an_answer_for_one_person_in_a_room_goes_to_them_directly(sim: SimulatedDiscord, desk: Desk) -> None:
    message, address = await ask_in_room(sim, desk, "/memories")
    await sim.adapter.send(address, reply("You like tea", Audience.ASKER), nonce="1")
    assert len(sim.visible_messages(sim.env.guild.channels["general"])) == 1
    channel = sim.env.backend.get_dm_channel(int(message.sender.external_id))
    assert [item.content for item in sim.env.backend.messages[channel.id].values()] == ["You like tea"]


async def test_who_closed_their_dms_is_told_how_to_get_the_answer_but_the_room_never_reads_it(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    message, address = await ask_in_room(sim, desk, "/memories")
    channel = sim.env.backend.get_dm_channel(int(message.sender.external_id))
    sim.env.inject_error("POST", f"/channels/{channel.id}/messages", status=403, code=50007)
    await sim.adapter.send(address, reply("You like tea", Audience.ASKER), nonce="1")
    shown = sim.visible_messages(sim.env.guild.channels["general"])[-1]
    assert "answer for you alone" in shown
    assert "tea" not in shown


async def test_a_slash_command_in_a_room_is_answered_to_the_asker_alone(sim: SimulatedDiscord, desk: Desk) -> None:
    async def answer(message: InboundMessage) -> None:
        await sim.adapter.send(ReplyAddress.of(message), reply(LONG, message.audience), nonce=message.event_id)

    desk.answer = answer
    ada, bob, channel = sim.person("ada"), sim.person("bob"), sim.channel()
    result = await sim.command(ada, "memories", channel, query="tea")
    assert desk.texts == ["/memories tea"]
    assert result.ephemeral
    assert result.response is not None
    shown = [result.response.content, *(item.content for item in result.followups)]
    assert " ".join(shown).split() == LONG.split()
    assert sim.visible_messages(channel, bob) == []


async def test_a_slash_command_in_private_is_answered_so_that_it_stays(sim: SimulatedDiscord, desk: Desk) -> None:
    async def answer(message: InboundMessage) -> None:
        stream = await sim.adapter.open_stream(ReplyAddress.of(message), turn_id=TURN, nonce=message.event_id)
        await stream.update("The beginn")
        await stream.finish(reply("The beginning and the end", message.audience))

    desk.answer = answer
    ada = sim.person("ada")
    result = await sim.command(ada, "ask", text="how does it begin?")
    assert not result.ephemeral
    assert sim.visible_messages(ada.dm_channel) == ["The beginning and the end"]


async def test_a_preview_is_not_shown_where_it_could_not_be_changed(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    result = await sim.command(ada, "ask", channel, text="hello")
    stream = await sim.adapter.open_stream(ReplyAddress.of(desk.messages[0]), turn_id=TURN, nonce="1")
    await stream.update("He")
    assert result.response is None or not result.response.content
    await stream.finish(reply("Hello", Audience.ASKER))
    assert result.response is not None
    assert result.response.content == "Hello"


async def test_an_answer_that_comes_after_a_quarter_of_an_hour_goes_by_direct_message(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    await sim.command(ada, "memories", channel)
    await sim.env.advance_time(1_000)
    await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply("You like tea", Audience.ASKER), nonce="1")
    assert sim.visible_messages(ada.dm_channel) == ["You like tea"]


async def test_an_interaction_that_discord_forgot_is_answered_by_direct_message(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    await sim.command(ada, "memories", channel)
    sim.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=404, code=10015)
    await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply("You like tea", Audience.ASKER), nonce="1")
    assert sim.visible_messages(ada.dm_channel) == ["You like tea"]


async def test_a_command_that_came_too_late_to_be_acknowledged_is_still_answered(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    sim.env.inject_error("POST", "/interactions/*/*/callback", status=404, code=10062)
    await sim.command(ada, "memories", channel)
    [message] = desk.messages
    assert message.handle == ""
    await sim.adapter.send(ReplyAddress.of(message), reply("You like tea", Audience.ASKER), nonce="1")
    assert sim.visible_messages(ada.dm_channel) == ["You like tea"]


async def test_an_answer_that_may_have_arrived_twice_says_so(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    result = await sim.command(ada, "memories", channel)
    address = ReplyAddress.of(desk.messages[0])
    sim.env.inject_error("POST", "/webhooks/*/*", status=503)
    with pytest.raises(DeliveryUnknown) as caught:
        await sim.adapter.send(address, reply(LONG, Audience.ASKER), nonce="1")
    await sim.adapter.send(address, reply(LONG, Audience.ASKER), nonce="1", known_ids=caught.value.sent_ids)
    assert "may be a duplicate" in result.followups[-1].content


async def test_a_button_says_its_command_for_whoever_presses_it(sim: SimulatedDiscord, desk: Desk) -> None:
    _, address = await ask_in_room(sim, desk)
    channel = sim.env.guild.channels["general"]
    buttons = (Button("Yes, forget it", "/confirm tok3n", danger=True), Button("No", "/cancel tok3n"))
    await sim.adapter.send(address, reply("Sure?", buttons=buttons), nonce="1")
    bob = sim.person("bob")
    sent = channel.last_message
    assert sent is not None
    result = await sim.press(bob, sent, "Yes, forget it", channel)
    pressed = desk.messages[-1]
    assert (pressed.text, pressed.sender.external_id, pressed.audience) == (
        "/confirm tok3n",
        str(bob.id),
        Audience.ASKER,
    )
    await sim.adapter.send(ReplyAddress.of(pressed), reply("Not yours", pressed.audience), nonce="2")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content == "Not yours"


async def test_buttons_work_after_a_restart(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(ada := sim.person("ada"), "hello")
    await sim.adapter.send(
        ReplyAddress.of(desk.messages[0]), reply("Sure?", buttons=(Button("Yes", "/confirm x"),)), nonce="1"
    )
    sent = ada.dm_channel.last_message
    assert sent is not None
    async with sim.restarted() as later:
        after = Desk()
        await later.adapter.start(after.accept)
        await later.press(ada, sent, "Yes")
        assert after.texts == ["/confirm x"]


async def test_the_earlier_messages_of_a_thread_can_be_read(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, bob, channel = sim.person("ada"), sim.person("bob"), sim.channel()
    thread = sim.thread(ada, channel)
    await sim.say(ada, "the train leaves at nine", thread)
    await sim.say(bob, f"<@{ada.id}> I will be late", thread)
    await sim.say(ada, f"{sim.mention} when does it leave?", thread)
    address = ReplyAddress.of(desk.messages[0])
    assert await sim.adapter.thread_history(address, limit=10) == [
        ("ada", "the train leaves at nine"),
        ("bob", "@ada I will be late"),
    ]
    assert await sim.adapter.thread_history(address, limit=1) == [("bob", "@ada I will be late")]
    await sim.say(bob, "nobody asked me", thread)
    await sim.say(ada, f"{sim.mention} and back?", thread)
    later = ReplyAddress.of(desk.messages[-1])
    assert len(await sim.adapter.thread_history(later, limit=10)) == 2, "nothing from the first call of the bot on"
