"""What people write, press and type reaches the core once, in order, and nothing of what is not for it."""

from __future__ import annotations

import discord
import pytest

from adapters.platforms.discord import PLATFORM, DiscordConfig, Engagement
from adapters.platforms.discord.intake import DIRECTLY
from core.errors import BadArgument, DeliveryUnknown, MemoryChatError, StoreError, StoreUnavailable
from core.messages import Acceptance, Attachment, ReplyAddress, RoomRole
from core.types import Audience, ConversationKind, Place, TurnId
from tests.e2e.discord.desk import Desk, reply
from tests.e2e.discord.server import SimulatedDiscord


async def test_a_direct_message_is_for_the_bot_alone(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    sent = await sim.say(ada, "good morning")
    [message] = desk.messages
    assert (message.text, message.kind, message.audience) == ("good morning", ConversationKind.PRIVATE, Audience.ASKER)
    assert message.place == Place(PLATFORM, "", str(ada.dm_channel.id))
    assert message.sender.external_id == str(ada.id)
    assert message.event_id == message.cursor == message.message_id == str(sent.id)
    assert message.addressed


async def test_in_a_server_only_what_mentions_the_bot_is_taken(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    await sim.say(ada, "who is for lunch?", channel)
    await sim.say(ada, f"{sim.mention}, who is for lunch?", channel)
    await sim.say(ada, sim.mention, channel)
    assert desk.texts == ["who is for lunch?", ""]
    assert all(
        message.kind is ConversationKind.SHARED and message.audience is Audience.ROOM for message in desk.messages
    )


async def test_a_reply_to_the_bot_needs_no_mention(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, bob, channel = sim.person("ada"), sim.person("bob"), sim.channel()
    await sim.say(ada, f"{sim.mention} hello", channel)
    [answered] = await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply("hello"), nonce="1")
    said = next(message for message in channel.history() if str(message.id) == answered)
    await sim.say(bob, "and to me?", channel, reply_to=said)
    assert desk.texts == ["hello", "and to me?"]
    assert desk.messages[1].reply_to == answered


async def test_other_bots_webhooks_and_joins_are_not_heard(sim: SimulatedDiscord, desk: Desk) -> None:
    channel = sim.channel()
    robot = sim.env.create_user("robot", bot=True)
    await sim.say(robot, f"{sim.mention} beep", channel)
    assert channel.guild is not None
    await channel.guild.create_webhook(channel).send(f"{sim.mention} news")
    assert desk.events == []


async def test_a_thread_is_a_place_of_its_own_under_its_channel(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    root = await sim.say(ada, f"{sim.mention} plan a trip", channel)
    thread = sim.thread(ada, channel, message=root)
    await sim.say(ada, f"{sim.mention} by train", thread)
    [first, inside] = desk.messages
    assert inside.place == Place(PLATFORM, "", str(channel.id), str(thread.id))
    assert inside.thread_root == first.event_id
    assert inside.reply_thread == str(thread.id)


async def test_in_a_thread_that_the_bot_takes_part_in_everything_is_for_it(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    thread = sim.thread(ada, channel)
    await sim.say(ada, "just us", thread)
    sim.env.backend.add_thread_member(thread.id, sim.bot_id)
    sim.bot.get_channel(thread.id)
    await sim.env.settle()
    await sim.say(ada, "now with the bot", thread)
    assert desk.texts == ["now with the bot"]


async def test_a_thread_at_a_message_of_the_bot_is_for_it(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    await sim.say(ada, f"{sim.mention} a poem", channel)
    await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply("Roses are red"), nonce="1")
    thread = sim.thread(ada, channel, message=channel.last_message)
    others = sim.thread(ada, channel, message=channel.history()[0])
    await sim.say(ada, "another verse", thread)
    await sim.say(ada, "and one more", thread)
    await sim.say(ada, "he likes poems", others)
    assert desk.texts[1:] == ["another verse", "and one more"]


@pytest.mark.parametrize(("engagement", "heard"), [(Engagement.ALL, ["hi", "hi bot"]), (Engagement.OFF, [])])
async def test_the_operator_chooses_what_the_bot_listens_to(engagement: Engagement, heard: list[str]) -> None:
    config = DiscordConfig(token="a.b.c", engagement=engagement)
    desk = Desk()
    async with SimulatedDiscord(config) as sim:
        await sim.adapter.start(desk.accept)
        ada, channel = sim.person("ada"), sim.channel()
        await sim.say(ada, "hi", channel)
        await sim.say(ada, f"{sim.mention} hi bot", channel)
        await sim.say(ada, "in private")
    assert desk.texts == [*heard, "in private"]


async def test_edits_and_deletes_are_told(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    member = sim.in_server(ada, channel.guild)  # type: ignore[arg-type]  # a server's channel has one
    sent = await sim.say(ada, f"{sim.mention} tea", channel)
    await member.edit(sent, f"{sim.mention} coffee")
    await member.delete(sent)
    [edited], [deleted] = desk.edits, desk.deletes
    assert (edited.text, edited.event_id) == ("coffee", str(sent.id))
    assert (deleted.event_id, deleted.place) == (str(sent.id), desk.messages[0].place)


async def test_several_messages_deleted_at_once_are_told_one_by_one(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    sent = [await sim.say(ada, f"{sim.mention} {number}", channel) for number in range(3)]
    sim.env.backend.emit(
        "MESSAGE_DELETE_BULK",
        {
            "ids": [str(message.id) for message in sent],
            "channel_id": str(channel.id),
            "guild_id": str(channel.guild and channel.guild.id),
        },
    )
    await sim.env.settle()
    assert [event.event_id for event in desk.deletes] == [str(message.id) for message in sent]


async def test_a_manager_is_known_by_their_rights(sim: SimulatedDiscord, desk: Desk) -> None:
    channel = sim.channel()
    assert channel.guild is not None
    chief = channel.guild.create_role("Chief", permissions=discord.Permissions(manage_guild=True))
    boss, clerk = sim.person("boss"), sim.person("clerk")
    sim.in_server(boss, channel.guild, roles=[chief])
    for who in (boss, clerk):
        await sim.say(who, f"{sim.mention} hello", channel)
        await sim.command(who, "help", channel)
    assert [message.sender.role for message in desk.messages] == [RoomRole.MANAGER] * 2 + [RoomRole.MEMBER] * 2


async def test_files_come_with_their_kind_size_and_address(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.say(sim.person("ada"), "look", files=[("cat.png", b"picture")])
    [file] = desk.messages[0].attachments
    assert (file.kind, file.name, file.size) == ("image", "cat.png", 7)
    assert await sim.adapter.fetch(file, max_bytes=100) == b"picture"


async def test_a_message_that_is_not_stored_is_tried_until_it_is_and_the_next_one_waits(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    ada = sim.person("ada")
    desk.trouble = [StoreUnavailable(), StoreUnavailable()]
    await sim.say(ada, "one")
    await sim.say(ada, "two")
    await sim.env.advance_time(5)
    assert desk.texts == ["one", "two"]


async def test_an_event_that_the_store_never_takes_does_not_block_its_chat(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    desk.trouble = [StoreError() for _ in range(5)]
    await sim.say(ada, "poison")
    await sim.env.advance_time(60)
    await sim.say(ada, "still there?")
    assert desk.texts == ["still there?"]


async def test_one_chat_that_waits_for_the_store_does_not_hold_up_another(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, bob = sim.person("ada"), sim.person("bob")
    desk.trouble = [StoreUnavailable()]
    sim.env.backend.create_message(ada.dm_channel.id, ada.id, "one")
    await sim.say(bob, "two")
    await sim.env.advance_time(5)
    assert sorted(desk.texts) == ["one", "two"]


async def test_nothing_is_taken_after_the_stop(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    await sim.say(ada, "before")
    await sim.adapter.stop()
    sent = await sim.say(ada, "after")
    await ada.edit(sent, "after all")
    await ada.delete(sent)
    assert desk.events == desk.messages
    assert desk.texts == ["before"]
    with pytest.raises(DeliveryUnknown):
        await sim.adapter.send(ReplyAddress.of(desk.messages[0]), reply("too late"), nonce="1")


async def test_a_malformed_event_is_dropped_and_the_next_one_is_heard(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    for broken in ({}, {"id": "1"}, {"id": "x", "channel_id": "y", "author": None}):
        sim.env.backend.emit("MESSAGE_CREATE", broken)
    sim.env.backend.emit("A_NEW_KIND_OF_EVENT", {"id": "1"})
    sim.env.backend.emit("MESSAGE_UPDATE", {"channel_id": "1"})
    sim.env.backend.emit("INTERACTION_CREATE", {"type": 2})
    await sim.say(ada, "still here")
    assert desk.texts == ["still here"]


async def test_a_refused_person_hears_so_where_only_they_read_it(sim: SimulatedDiscord, desk: Desk) -> None:
    desk.acceptance = Acceptance.REFUSED
    ada, channel = sim.person("ada"), sim.channel()
    result = await sim.command(ada, "status", channel)
    assert result.ephemeral
    assert result.response is not None
    assert "private bot" in result.response.content


async def test_a_command_that_nobody_answers_leaves_no_waiting_behind(sim: SimulatedDiscord, desk: Desk) -> None:
    desk.acceptance = Acceptance.IGNORED
    ada, channel = sim.person("ada"), sim.channel()
    result = await sim.command(ada, "status", channel)
    assert result.acknowledged
    assert result.response is None


async def test_a_command_that_fails_unexpectedly_is_answered_with_a_sentence(sim: SimulatedDiscord, desk: Desk) -> None:
    desk.trouble = [ZeroDivisionError("secret")]
    result = await sim.command(sim.person("ada"), "status")
    assert result.response is not None
    assert result.response.content == MemoryChatError.user_message


@pytest.mark.parametrize("kind", [1, 3])
async def test_what_somebody_asks_in_a_talk_with_others_belongs_to_their_own_with_the_bot(
    sim: SimulatedDiscord, desk: Desk, kind: int
) -> None:
    ada = sim.person("ada")
    elsewhere = {"id": "4711", "type": kind, "recipients": [], "last_message_id": None, "flags": 0}
    result = await sim.ask_elsewhere(
        ada, "memories", {**elsewhere, "owner_id": str(ada.id), "icon": None, "name": None}
    )
    [message] = desk.messages
    assert message.place == Place(PLATFORM, "", str(ada.dm_channel.id))
    assert message.kind is ConversationKind.PRIVATE
    assert result.ephemeral
    stream = await sim.adapter.open_stream(ReplyAddress.of(message), turn_id=TurnId("t"), nonce="1")
    await stream.update("You")
    await stream.finish(reply("You like tea", Audience.ASKER))
    assert result.response is not None
    assert result.response.content == "You like tea"
    await sim.env.advance_time(1_000)
    await sim.adapter.send(ReplyAddress.of(message), reply("And coffee", Audience.ASKER), nonce="2")
    assert sim.visible_messages(ada.dm_channel)[-1] == "And coffee"


async def test_without_a_talk_of_their_own_they_are_asked_to_begin_one(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    sim.env.inject_error("POST", "/users/@me/channels", status=403)
    group = {"id": "4711", "type": 3, "recipients": [], "last_message_id": None, "owner_id": "1", "icon": None}
    result = await sim.ask_elsewhere(ada, "memories", {**group, "name": None, "flags": 0})
    assert desk.events == []
    assert result.response is not None
    assert "directly" in result.response.content


async def test_a_thread_that_the_sdk_does_not_know_yet_is_looked_up(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    thread = sim.thread(ada, channel)
    guild = sim.bot.guilds[0]
    guild._remove_thread(guild.get_thread(thread.id))  # type: ignore[arg-type]  # it is there
    await sim.say(ada, f"{sim.mention} hi", thread)
    assert desk.messages[0].place == Place(PLATFORM, "", str(channel.id), str(thread.id))


async def test_a_thread_whose_beginning_cannot_be_read_is_no_talk_with_the_bot(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    thread = sim.thread(ada, channel, message=await sim.say(ada, "plan", channel))
    sim.env.inject_error("GET", f"/channels/{channel.id}/messages/*", status=503)
    await sim.say(ada, "first", thread)
    await sim.say(ada, "second", thread)
    assert desk.events == []


async def test_a_file_that_is_too_large_is_not_even_fetched(sim: SimulatedDiscord, desk: Desk) -> None:
    file = Attachment("file", "film.mp4", "video/mp4", 20_000_000, "https://cdn.discordapp.com/film.mp4")
    with pytest.raises(BadArgument) as caught:
        await sim.adapter.fetch(file, max_bytes=10_000_000)
    assert "10 MB" in caught.value.user_message


async def test_what_bystanders_say_is_not_even_kept_in_memory(sim: SimulatedDiscord, desk: Desk) -> None:
    ada, channel = sim.person("ada"), sim.channel()
    for number in range(3):
        await sim.say(ada, f"chatter {number}", channel)
    assert desk.events == []
    assert list(sim.bot.cached_messages) == []


async def test_where_another_process_answers_nobody_is_left_with_a_bot_that_thinks_for_ever() -> None:
    desk = Desk()
    async with SimulatedDiscord(DiscordConfig(token="a.b.c", answers_here=False)) as sim:
        await sim.adapter.start(desk.accept)
        ada, channel = sim.person("ada"), sim.channel()
        asked = await sim.command(ada, "memories", channel)
        assert asked.response is not None
        assert asked.response.content == DIRECTLY
        assert asked.ephemeral
        [message] = desk.messages
        assert (message.text, message.handle) == ("/memories", "")
        await sim.adapter.send(ReplyAddress.of(message), reply("1. a dog", Audience.ASKER), nonce="1")
        assert sim.visible_messages(ada.dm_channel) == ["1. a dog"]
        assert "1. a dog" not in sim.visible_messages(channel)
