"""kill -9 while updates pour in: what was not stored comes again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.telegram.server import TelegramServer
from tests.support.polling import eventually

ROOT = Path(__file__).parents[3]
PEOPLE = range(1_000, 1_010)
EACH = 20


@asynccontextmanager
async def bot_process(telegram: TelegramServer, log: Path, until: int) -> AsyncIterator[None]:
    """A bot that comes to a standstill after `until` updates, killed at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.e2e.telegram.poller", telegram.base_url, telegram.token, str(log), str(until)),
        env=environment,
        cwd=ROOT,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_no_update_is_lost_and_each_chat_stays_in_order(telegram: TelegramServer, tmp_path: Path) -> None:
    log = tmp_path / "accepted.txt"
    log.touch()
    for person in PEOPLE:
        telegram.add_person(person, f"P{person}")
    for number in range(EACH):
        for person in PEOPLE:
            telegram.say(person, str(number))

    def stored() -> list[tuple[str, int]]:
        whole = log.read_text().splitlines()
        return [(person, int(number)) for person, number in (line.split() for line in whole)]

    for until in (15, 140):  # in the middle of the first batch of 100, then of the second
        before = len(stored())
        async with bot_process(telegram, log, until):
            await eventually(lambda before=before, until=until: len(stored()) == before + until, 20.0)
        assert telegram.unconfirmed > 0
    assert telegram.unconfirmed == len(PEOPLE) * EACH - 100
    async with bot_process(telegram, log, -1):
        await eventually(lambda: telegram.unconfirmed == 0, 20.0)

    assert set(stored()) == {(str(person), number) for person in PEOPLE for number in range(EACH)}
    for person in PEOPLE:
        assert list(dict.fromkeys(number for who, number in stored() if who == str(person))) == list(range(EACH))
