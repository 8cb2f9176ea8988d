"""What the adapter costs, for bench/: `python -m tests.e2e.telegram.measure` prints both figures."""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from adapters.platforms.telegram import Pace, TelegramAdapter, TelegramConfig
from adapters.platforms.telegram.render import render
from adapters.platforms.telegram.translate import BotSelf, translate
from core.messages import Acceptance, InboundEvent, InboundMessage, Reply, ReplyAddress, ReplyKind
from core.types import Audience
from tests.support.polling import eventually

ROOT = Path(__file__).parents[3]
UNLIMITED = Pace(chat=(100_000, 1.0), group=(100_000, 1.0), overall=(100_000, 1.0))
REPLY = """Your dog is called **Rex** (you told me on *3 May*).

- he is *seven*
- he likes `cheese`

| what | when |
| --- | --- |
| vet | Monday |

```python
print("Rex")
```
See [the album](https://example.org/rex).
"""


@dataclass(frozen=True)
class Burst:
    """`replies_per_second` from the first update offered to the last answer seen; CPU of this process alone."""

    replies_per_second: float
    cpu_ms_per_message: float
    answered_once: bool


def translation_and_rendering(rounds: int = 2_000) -> float:
    """The median cost in µs of one group message in and one formatted reply out."""
    me = BotSelf(7, "memory_bot", frozenset({"help"}))
    text = "@memory_bot 🦊 what is my dog called?"
    update = {
        "update_id": 1,
        "message": {
            "message_id": 5,
            "date": 1_795_000_000,
            "text": text,
            "entities": [{"type": "mention", "offset": 0, "length": 11}],
            "chat": {"id": -9, "type": "supergroup", "title": "Kitchen"},
            "from": {"id": 8, "first_name": "Ben", "language_code": "en"},
        },
    }
    reply = Reply(text=REPLY, kind=ReplyKind.ANSWER, audience=Audience.ROOM, badge="🕶 incognito")
    now = datetime.now(UTC)
    costs = []
    for _ in range(rounds):
        began = time.perf_counter()
        translate(update, me, now)
        render(reply)
        costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1e6


@asynccontextmanager
async def server_process() -> AsyncIterator[str]:
    """The emulator in a process of its own; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.e2e.telegram.server", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def control(address: str, name: str, *args: object) -> Any:
    """Call or read something of the emulator in the other process."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/control/{name}", json={"args": args}) as response,
    ):
        return await response.json()


async def burst(people: int = 1_000) -> Burst:
    """People who all write at once, each answered once, over polling: the adapter alone, no engine behind it."""
    async with server_process() as address:
        config = TelegramConfig(token="123456:TEST-TOKEN", base_url=f"{address}/bot", pace=UNLIMITED)
        adapter = TelegramAdapter(config)
        replies: set[asyncio.Task[tuple[str, ...]]] = set()

        async def accept(event: InboundEvent) -> Acceptance:
            assert isinstance(event, InboundMessage)
            address = ReplyAddress(event.place, event.kind, event.sender.external_id, reply_to=event.message_id)
            reply = Reply(text=f"You said **{event.text}**", kind=ReplyKind.ANSWER, audience=Audience.ASKER)
            replies.add(asyncio.create_task(adapter.send(address, reply, nonce=event.event_id)))
            return Acceptance.ACCEPTED

        await control(address, "crowd", people, "hello")
        began, cpu = time.perf_counter(), _cpu()
        await adapter.start(accept)
        await eventually(lambda: len(replies) == people, 120)
        await asyncio.gather(*replies)
        seconds, cpu = time.perf_counter() - began, _cpu() - cpu
        await adapter.stop()
        answers: dict[str, int] = await control(address, "answers")
    once = len(answers) == people and set(answers.values()) == {1}
    return Burst(people / seconds, cpu / people * 1e3, once)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.stdout.write(f"translation + rendering: {translation_and_rendering():.0f} µs\n{asyncio.run(burst())}\n")
