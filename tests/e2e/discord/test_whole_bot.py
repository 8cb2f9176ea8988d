"""A whole bot, everything real but the model and Discord itself: people talk, and what they agreed on holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simcord.builders import ChannelHandle

from bot.bootstrap import build
from bot.settings import settings_from
from tests.e2e.discord.server import SimulatedDiscord
from tests.support.polling import eventually


@asynccontextmanager
async def a_bot(home: Path) -> AsyncIterator[SimulatedDiscord]:
    settings = settings_from({"MEMORYCHAT_HOME": str(home), "DISCORD_ACCESS_POLICY": "open"})
    async with SimulatedDiscord() as sim, build(settings, platforms=[sim.adapter]) as app:
        await app.memory.warm()
        await sim.adapter.start(app.engine.handle)
        yield sim


def last(sim: SimulatedDiscord, channel: ChannelHandle) -> str:
    return (sim.visible_messages(channel) or [""])[-1]


async def test_people_talk_in_private_and_among_others_and_forget_with_a_button(tmp_path: Path) -> None:
    async with a_bot(tmp_path) as sim:
        ada, channel = sim.person("ada"), sim.channel()
        private = ada.dm_channel

        await sim.say(ada, "My dog is called Rex.")
        await eventually(lambda: len(sim.visible_messages(private)) == 3)
        assert "MemoryChat" in sim.visible_messages(private)[1], "the welcome comes first"
        await sim.say(ada, "What is my dog called?")
        await eventually(lambda: "Rex" in last(sim, private))

        await sim.say(ada, f"{sim.mention} what is my dog called?", channel)
        await eventually(lambda: len(sim.visible_messages(channel)) == 3)
        assert not any("Rex" in text for text in sim.visible_messages(channel)), "what is private stays private"
        alone = await sim.command(ada, "ask", channel, text="what is my dog called?")
        await eventually(lambda: bool(alone.response and "Rex" in alone.response.content))
        assert alone.ephemeral
        assert not any("Rex" in text for text in sim.visible_messages(channel, sim.person("bob")))

        await sim.command(ada, "incognito", switch="on")
        await eventually(lambda: "incognito" in last(sim, private))
        await sim.say(ada, "What is my dog called?")
        await eventually(lambda: "do not look into your memories" in last(sim, private))
        await sim.command(ada, "incognito", switch="off")

        await sim.command(ada, "forget", what="all")
        await eventually(lambda: "Type `yes`" in last(sim, private))
        question = private.last_message
        assert question is not None
        await sim.press(ada, question, "Forget all")
        await eventually(lambda: "Forgotten: 1 memory" in last(sim, private))
