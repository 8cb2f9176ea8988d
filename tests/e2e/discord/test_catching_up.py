"""What was written while the bot was away is read back, in order, before anything new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import discord
from simcord.builders import ChannelHandle

from adapters.platforms.discord import PLATFORM, DiscordConfig
from core.errors import StoreUnavailable
from core.types import Place
from tests.e2e.discord.desk import Desk
from tests.e2e.discord.server import SimulatedDiscord
from tests.support.polling import eventually


class Conversations:
    """What the store would tell. `trouble` is raised first."""

    def __init__(self) -> None:
        self.known: list[tuple[Place, str]] = []
        self.trouble: list[Exception] = []

    async def __call__(self) -> Sequence[tuple[Place, str]]:
        if self.trouble:
            raise self.trouble.pop(0)
        return self.known


def place_of(channel: ChannelHandle, thread: ChannelHandle | None = None) -> Place:
    return Place(PLATFORM, "", str(channel.id), str(thread.id) if thread else "")


async def test_messages_from_a_time_away_are_taken_in_order_before_new_ones() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        ada = sim.person("ada")
        first = await sim.say(ada, "one")
        await sim.say(ada, "two")
        await sim.say(ada, "three")
        conversations.known = [(place_of(ada.dm_channel), str(first.id))]
        conversations.trouble = [StoreUnavailable()]
        await sim.adapter.start(desk.accept)
        await sim.say(ada, "four")
        assert [text for text in desk.texts if text != "four"] == ["two", "three"]
        assert desk.texts.index("three") < desk.texts.index("four")


async def test_in_a_server_only_what_was_for_the_bot_is_taken() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        ada, channel = sim.person("ada"), sim.channel()
        thread = sim.thread(ada, channel)
        first = await sim.say(ada, f"{sim.mention} one", channel)
        await sim.say(ada, "nobody listens", channel)
        await sim.say(ada, f"{sim.mention} two", channel)
        inside = await sim.say(ada, f"{sim.mention} three", thread)
        await sim.say(ada, f"{sim.mention} four", thread)
        quiet = sim.channel("quiet")
        last = await sim.say(ada, f"{sim.mention} five", quiet)
        conversations.known = [
            (place_of(channel), str(first.id)),
            (place_of(channel, thread), str(inside.id)),
            (place_of(quiet), str(last.id)),
            (Place(PLATFORM, "", "4711"), "1"),
            (Place(PLATFORM, "", "4712"), ""),
        ]
        await sim.adapter.start(desk.accept)
        await eventually(lambda: len(desk.texts) == 2)
        assert desk.texts == ["two", "four"]
        assert desk.messages[1].place.thread_id == str(thread.id)
        asked = [request.path for request in sim.env.http_requests if request.method == "GET"]
        assert f"/channels/{quiet.id}/messages" not in asked, "its newest message is known"


async def test_who_called_the_bot_for_the_first_time_while_it_was_away_is_heard() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        ada, ben, channel = sim.person("ada"), sim.person("ben"), sim.channel("kitchen")
        await sim.say(ben, f"{sim.mention} from before the bot last heard anything", channel)
        last = await sim.say(ada, "known")
        conversations.known = [(place_of(ada.dm_channel), str(last.id))]
        quiet = sim.channel("quiet")
        await sim.say(ben, "nothing for the bot", quiet)
        await sim.say(ben, "nothing for the bot", channel)
        await sim.say(ben, f"{sim.mention} can you hear me?", channel)
        thread = sim.thread(ben, channel)
        await sim.say(ben, f"{sim.mention} and here?", thread)
        await sim.adapter.start(desk.accept)
        await eventually(lambda: len(desk.texts) == 2)
        await sim.env.settle()
        assert sorted(desk.texts) == ["and here?", "can you hear me?"]


async def test_a_new_bot_has_missed_nothing() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        ben, channel = sim.person("ben"), sim.channel("kitchen")
        await sim.say(ben, f"{sim.mention} hello", channel)
        await sim.adapter.start(desk.accept)
        await sim.say(ben, f"{sim.mention} now?", channel)
        assert desk.texts == ["now?"]


async def test_a_resumed_connection_is_read_back_too() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        await sim.adapter.start(desk.accept)
        ada = sim.person("ada")
        first = await sim.say(ada, "one")
        feed = sim.env.backend.subscribers.pop()
        await sim.say(ada, "said while the line was down")
        sim.env.backend.subscribers.append(feed)
        conversations.known = [(place_of(ada.dm_channel), str(first.id))]
        sim.bot.dispatch("resumed")
        await sim.say(ada, "two")
        assert list(dict.fromkeys(desk.texts)) == ["one", "said while the line was down", "two"]


async def test_what_is_too_old_is_left_alone_and_of_very_much_the_newest_is_taken() -> None:
    desk = Desk()
    async with SimulatedDiscord(DiscordConfig(token="a.b.c", read_back=timedelta(hours=2))) as sim:
        await sim.adapter.start(desk.accept)
        ada = sim.person("ada")
        for number in range(250):
            sim.env.backend.create_message(ada.dm_channel.id, ada.id, f"old {number}")
        await sim.env.advance_time(3 * 3600)
        for number in range(120):
            sim.env.backend.create_message(ada.dm_channel.id, ada.id, f"new {number}")
        place = place_of(ada.dm_channel)
        since = discord.utils.utcnow() - timedelta(hours=2)
        read = [message.text async for message in sim.adapter.backlog(place, "", since)]
        assert read == [f"new {number}" for number in range(120)]


async def test_a_channel_that_cannot_be_read_for_the_moment_is_tried_again() -> None:
    conversations, desk = Conversations(), Desk()
    async with SimulatedDiscord(conversations=conversations) as sim:
        ada, bob = sim.person("ada"), sim.person("bob")
        for who in (ada, bob):
            first = await sim.say(who, "known")
            await sim.say(who, f"missed by {who.name}")
            conversations.known.append((place_of(who.dm_channel), str(first.id)))
        sim.env.inject_error("GET", f"/channels/{ada.dm_channel.id}/messages", status=503, times=2)
        sim.env.inject_error("GET", f"/channels/{bob.dm_channel.id}/messages", status=403, code=50001)
        await sim.adapter.start(desk.accept)
        await eventually(lambda: bool(desk.texts))
        assert desk.texts == ["missed by ada"]
