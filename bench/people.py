"""Many people at once, in process: `python -m bench.people`.

Everybody is known and has told something; then all ask at the same moment. The control of what one person's message
costs among a thousand is the same person's in an empty store: nothing may grow with the number of people.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.support import InstantModel, SilentPlatform, StreamingModel, answered, application, message
from bench.table import Row, is_quick, percentile, publish
from bot.bootstrap import App

COMMAND = "python -m bench.people"
ALONE = "the same person in an empty store"
PLOT = "Reply latency p50 against people who write at once"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Milliseconds of each person's reply, replies a second, CPU milliseconds a message, percent that had a memory."""

    times: list[float]
    rate: float
    cpu: float
    recalled: float


async def measure() -> list[Row]:
    most = 300 if is_quick() else 1_000
    rows: list[Row] = []
    platform, model = SilentPlatform(), InstantModel()
    async with application(platform, model) as app:
        await answered(app, platform, message("zoe", "My boat is called Tern"))
        times, cpu = await _alone(app, platform)
        for people in (1, 100, most):
            rows += _rows(people, await _crowd(app, platform, model, people))
        late, late_cpu = await _alone(app, platform)
    rows += [
        Row(f"reply overhead p50 of one person among {most:,}", percentile(late, 0.5), "ms", None,
            percentile(times, 0.5), ALONE, ratio_goal=1.5),
        Row(f"CPU a message of one person among {most:,}", late_cpu, "ms", None, cpu, ALONE, ratio_goal=1.5),
    ]  # fmt: skip
    return rows + await _streamed()


def _rows(people: int, crowd: Crowd) -> list[Row]:
    who = f"{people:,} people at once" if people > 1 else "one person"
    p50 = Row(f"reply p50, {who}", percentile(crowd.times, 0.5), "ms", plot=PLOT, x=people)
    if people == 1:
        return [p50]
    return [
        p50,
        Row(f"reply p95, {who}", percentile(crowd.times, 0.95), "ms"),
        Row(f"replies a second, {who}", crowd.rate, "replies/s", 80.0, at_least=True),
        Row(f"CPU a message, {who}", crowd.cpu, "ms"),
        Row(f"replies that really had their recall, {who}", crowd.recalled, "%", 99.0, at_least=True),
    ]


async def _crowd(app: App, platform: SilentPlatform, model: InstantModel, people: int) -> Crowd:
    names = [f"p{people}-{number}" for number in range(people)]
    for start in range(0, people, 50):
        told = (message(name, f"My boat is called Heron {name}") for name in names[start : start + 50])
        await asyncio.gather(*(answered(app, platform, one) for one in told))
    model.recalled = 0
    times: list[float] = []

    async def ask(name: str) -> None:
        began = time.perf_counter()
        await answered(app, platform, message(name, "What is my boat called?"))
        times.append(1000 * (time.perf_counter() - began))

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(ask, names))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Crowd(times, people / seconds, 1000 * cpu / people, 100 * model.recalled / people)


async def _alone(app: App, platform: SilentPlatform) -> tuple[list[float], float]:
    times: list[float] = []
    cpu = 0.0
    for number in range(70):
        if number == 10:
            cpu, times = time.process_time(), []
        began = time.perf_counter()
        await answered(app, platform, message("zoe", f"What is my boat called, asked for the {number}th time?"))
        times.append(1000 * (time.perf_counter() - began))
    return times, 1000 * (time.process_time() - cpu) / 60


async def _streamed() -> list[Row]:
    """What comes on top of a model that streams for two seconds."""
    platform, model = SilentPlatform(), StreamingModel()
    rows = []
    async with application(platform, model) as app:
        for people in (1, 100):
            crowd = await _crowd(app, platform, model, people)
            who = f"{people} people at once" if people > 1 else "one person"
            over = percentile(crowd.times, 0.5) - 1000 * model.SECONDS
            rows.append(Row(f"on top of a model that streams for 2 s, p50, {who}", over, "ms"))
    return rows


if __name__ == "__main__":
    publish(asyncio.run(measure()), COMMAND)
