"""One person's message over Telegram, to the answer that they see: `python -m bench.telegram`.

The emulator and a model's server that answers at once are processes of their own; so is each bot. The control is
python-telegram-bot with openai and no memory (bench/bare_bot.py). Also: from the command to the first message that is
accepted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bench.stub import stub_process
from bench.table import Row, is_quick, percentile, publish
from tests.e2e.telegram import measure as emulator

COMMAND = "python -m bench.telegram"
ROOT = Path(__file__).parents[1]
PERSON = 101
WARM_UP = 40
BARE = "python-telegram-bot + openai, no memory"
DEADLINE = 30.0
SETTLED = 5.0
"""Seconds after the first answers: a process that just began to hear still loads its page and what learning needs."""


async def measure() -> list[Row]:
    count = 40 if is_quick() else 120
    async with stub_process() as model:
        async with emulator.server_process() as telegram, _process("-m", "bench.bare_bot", telegram, model):
            bare = await _talk(telegram, count)
        with tempfile.TemporaryDirectory() as home:
            async with emulator.server_process() as telegram, _product(telegram, model, home):
                ours = await _talk(telegram, count)
            starts = [await _first_accepted(model, home) for _ in range(3)]
    half = 0.5
    return [
        Row("over Telegram, message to visible answer, p50", percentile(ours, half), "ms", None,
            percentile(bare, half), BARE, ratio_goal=2.0),
        Row("over Telegram, message to visible answer, p95", percentile(ours, 0.95), "ms", None,
            percentile(bare, 0.95), BARE),
        Row("from the command to the first accepted message", percentile(starts, half), "s", 2.0),
    ]  # fmt: skip


async def _talk(telegram: str, count: int) -> list[float]:
    """Milliseconds of each message; half of them tell and half ask."""
    times = []
    for number in range(WARM_UP + count):
        text = f"My boat number {number} is called Tern" if number % 2 else f"What is my boat {number - 1} called?"
        times.append(await emulator.control(telegram, "ask", PERSON, text))
        if number == WARM_UP - 1:
            await asyncio.sleep(SETTLED)
        # As a person would: nobody writes while the last reply is still being put away.
        await asyncio.sleep(0.03)
    return times[WARM_UP:]


async def _first_accepted(model: str, home: str) -> float:
    """Seconds from the command until Telegram may forget the message that waited for it: by then it is stored."""
    async with emulator.server_process() as telegram:
        await emulator.control(telegram, "say", PERSON, "Are you there?")
        began = time.perf_counter()
        async with _product(telegram, model, home), asyncio.timeout(DEADLINE):
            for _ in range(10_000):
                if not await emulator.control(telegram, "unconfirmed"):
                    break
                await asyncio.sleep(0.01)
            return time.perf_counter() - began


def _product(telegram: str, model: str, home: str) -> AbstractAsyncContextManager[None]:
    settings = {
        "MEMORYCHAT_HOME": f"{home}/home",
        "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=",
        "OPENAI_BASE_URL": model,
        "OPENAI_MODEL": "stub",
        "TELEGRAM_BOT_TOKEN": "123456:TEST-TOKEN",
        "TELEGRAM_BASE_URL": f"{telegram}/bot",
        "TELEGRAM_SENDS_PER_SECOND": "100000",
        "TELEGRAM_CHAT_SENDS_PER_SECOND": "100000",
        "ACCESS_POLICY": "open",
        "HTTP_PORT": "0",
    }
    return _process("-c", "from bot.cli import main; main()", "run", folder=home, settings=settings)


@asynccontextmanager
async def _process(
    *arguments: str, folder: str | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder or ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **(settings or {})},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    publish(asyncio.run(measure()), COMMAND)
