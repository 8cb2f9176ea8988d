"""From accepted message to delivered reply, with a model that answers at once.

`python -m bench.reply [memories]` prints what everything but the model costs; the control is the same engine in an
incognito talk, which recalls, learns and stores nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time

from bench.support import SilentPlatform, answered, application, fact, fill, message
from bench.table import Row, percentile, show
from bot.bootstrap import App
from core.types import MemoryNamespace

MESSAGES = 200
WARM_UP = 20


async def measure(memories: int = 1_000) -> list[Row]:
    platform = SilentPlatform()
    async with application(platform) as app:
        await answered(app, platform, message("ana", "hello there"))
        await fill(app, await namespace_of(app, "ana"), memories)
        times, cpu = await _talk(app, platform, "ana")
        await answered(app, platform, message("bo", "/incognito on"))
        control, control_cpu = await _talk(app, platform, "bo")
        name = "the same talk in incognito"
        return [
            Row(
                f"reply overhead p50, {memories:,} memories",
                percentile(times, 0.5),
                "ms",
                25.0,
                percentile(control, 0.5),
                name,
            ),
            Row("reply overhead p95", percentile(times, 0.95), "ms", None, percentile(control, 0.95), name),
            Row("CPU a message", cpu, "ms", 20.0, control_cpu, name),
            Row("replies without their recall", float(app.engine.responder.composer.recall_misses), "", 0.0),
        ]


async def namespace_of(app: App, person: str) -> MemoryNamespace:
    from bench.support import BENCH

    identity = await app.store.find_identity(BENCH, "", person)
    assert identity is not None
    return (await app.store.get_default_memory_profile(identity.user_id)).namespace


async def _talk(app: App, platform: SilentPlatform, person: str) -> tuple[list[float], float]:
    """Milliseconds of each message, and CPU milliseconds a message."""
    times = []
    for number in range(WARM_UP + MESSAGES):
        if number == WARM_UP:
            cpu = time.process_time()
        text = f"What do you know about this: {fact(number * 7)}" if number % 2 else f"Today {fact(9_000 + number)}"
        start = time.perf_counter()
        await answered(app, platform, message(person, text))
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM_UP:], 1000 * (time.process_time() - cpu) / MESSAGES


if __name__ == "__main__":
    sys.stdout.write(show(asyncio.run(measure(*map(int, sys.argv[1:])))) + "\n")
