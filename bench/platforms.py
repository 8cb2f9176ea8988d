"""What the platforms cost: translation and rendering each, and a crowd that writes over Telegram all at once.

`python -m bench.platforms [people]`. The crowd meets the whole product (polling through the real SDK, SQLite, sealing,
memory) with a model that answers at once and no limit on sending; the emulator runs in a process of its own on the same
machine. The control is the same crowd and the adapter alone, with no engine behind it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from adapters.platforms.telegram import TelegramAdapter, TelegramConfig
from bench.support import InstantModel
from bench.table import Row, publish
from bot.bootstrap import build
from bot.settings import settings_from
from core.commands.registry import build_registry
from tests.e2e.discord import measure as discord
from tests.e2e.slack import measure as slack
from tests.e2e.telegram import measure as telegram

PEOPLE = 1_000
DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """`newcomers` and `known` are people answered a second; newcomers are welcomed as well. `astray`: chats not
    answered exactly once, in order."""

    newcomers: float
    known: float
    cpu_ms: float
    astray: int


async def crowd(people: int) -> Crowd:
    async with telegram.server_process() as address:
        with tempfile.TemporaryDirectory() as home:
            settings = settings_from(
                {
                    "MEMORYCHAT_HOME": str(Path(home) / "home"),
                    "MEMORYCHAT_MASTER_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                }
            )
            config = TelegramConfig(token="123456:TEST-TOKEN", base_url=f"{address}/bot", pace=telegram.UNLIMITED)
            adapter = TelegramAdapter(config, build_registry().commands)
            async with build(settings, platforms=[adapter], model=InstantModel()) as app:
                await app.memory.warm()
                await telegram.control(address, "crowd", people, "hello, I like apples")
                began = time.perf_counter()
                await adapter.start(app.engine.handle)
                await _answered(address, people, 2)
                newcomers = people / (time.perf_counter() - began)
                cpu, began = time.process_time(), time.perf_counter()
                await telegram.control(address, "crowd", people, "what do I like?")
                await _answered(address, people, 3)
                known = people / (time.perf_counter() - began)
                cpu_ms = 1000 * (time.process_time() - cpu) / people
                await app.queue.drain()
            return Crowd(newcomers, known, cpu_ms, await _astray(address, people))


async def _answered(address: str, people: int, messages: int) -> None:
    """Until every chat shows so many messages of the bot."""
    async with asyncio.timeout(DEADLINE):
        while True:
            counts: dict[str, int] = await telegram.control(address, "answers")
            if sum(count >= messages for count in counts.values()) == people:
                return
            await asyncio.sleep(0.2)


async def _astray(address: str, people: int) -> int:
    """Each chat shows a welcome, then one answer for each message."""
    wrong = 0
    for chat in range(10_000, 10_000 + people):
        texts: list[str] = await telegram.control(address, "visible_messages", chat)
        wrong += len(texts) != 3 or "MemoryChat" not in texts[0] or texts[1:] != ["Yes.", "Yes."]
    return wrong


async def measure(people: int = PEOPLE) -> list[Row]:
    alone = await telegram.burst(people)
    together = await crowd(people)
    name = "the adapter alone"
    return [
        Row("Slack: translation and rendering p50", slack.translation_and_rendering() / 1e3, "ms", 2.0),
        Row("Telegram: translation and rendering p50", telegram.translation_and_rendering() / 1e3, "ms", 2.0),
        Row("Discord: translation and rendering p50", await discord.translation_and_rendering() / 1e3, "ms", 2.0),
        Row(
            f"{people:,} newcomers at once, welcomes and answers",
            2 * together.newcomers,
            "replies/s",
            80.0,
            alone.replies_per_second,
            name,
            at_least=True,
        ),
        Row("newcomers answered a second", together.newcomers, "people/s"),
        Row(
            f"{people:,} known people at once",
            together.known,
            "replies/s",
            80.0,
            alone.replies_per_second,
            name,
            at_least=True,
        ),
        Row("CPU a message of a known person", together.cpu_ms, "ms", None, alone.cpu_ms_per_message, name),
        Row("chats not answered once and in order", float(together.astray), "", 0.0),
    ]


if __name__ == "__main__":
    publish(asyncio.run(measure(*map(int, sys.argv[1:]))), "python -m bench.platforms")
