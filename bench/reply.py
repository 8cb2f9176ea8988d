"""From accepted message to delivered reply: what everything but the model costs.

`python -m bench.reply` measures one person's talk with 1,000, 10,000 and 50,000 memories and a model that answers at
once, and a thousand messages of one session. Controls of the same run: mem0 as its documentation shows it
(bench/mem0_loop.py), the same with its extras, and the same engine in an incognito talk, which recalls, learns and
stores nothing.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench import mem0_loop
from bench.controls import has_extras, mem0_name
from bench.mem0_loop import STRETCH
from bench.stub import stub_process
from bench.support import (
    InstantModel,
    LearningModel,
    SilentPlatform,
    answered,
    application,
    fill,
    message,
    namespace_of,
    question,
    telling,
)
from bench.table import Row, is_quick, middle_cpu, percentile, publish
from bot.bootstrap import App
from core.types import MemoryNamespace

WARM_UP = 60
COMMAND = "python -m bench.reply"
INCOGNITO = "the same talk in incognito"
MEM0 = "mem0 as documented"
EXTRAS = f"as documented, {mem0_name()}"
PLOT = "Reply overhead p50 against memories in the profile"


async def measure() -> list[Row]:
    count = 200
    async with stub_process() as url:
        mem0, mem0_cpu = await mem0_loop.measure(url, 1_000, count // 2)
        rows = await _with_memories(1_000, count, mem0, mem0_cpu)
        rows += await _beside_extras(rows, url, count // 4)
    for memories in (10_000, 50_000):
        rows += await _with_more(memories, count // 2)
    return [*rows, *await _learning(count), *await _long_talk(300 if is_quick() else 1_000)]


async def _beside_extras(rows: list[Row], url: str, count: int) -> list[Row]:
    """The first figures once more, beside mem0 with what `mem0ai[nlp]` brings; no goal is held against the slower."""
    if not has_extras():
        return []
    times, cpu = await mem0_loop.measure(url, 1_000, count, extras=True)
    p50, of_cpu = rows[0], next(row for row in rows if row.name.startswith("CPU a message with"))
    return [
        Row(f"{p50.name}, beside extras", p50.value, "ms", None, percentile(times, 0.5), EXTRAS),
        Row(f"{of_cpu.name}, beside extras", of_cpu.value, "ms", None, cpu, EXTRAS),
    ]


async def _with_memories(memories: int, count: int, mem0: list[float], mem0_cpu: float) -> list[Row]:
    platform, model = SilentPlatform(), InstantModel()
    async with application(platform, model) as app:
        await answered(app, platform, message("ana", "hello there"))
        await fill(app, await namespace_of(app, "ana"), memories)
        before = _disk(app)
        times, cpu = await _talk(app, platform, "ana", count)
        stored = (_disk(app) - before) / (WARM_UP + count)
        model.recalled = 0
        await _talk(app, platform, "ana", 100)
        recalled = 100 * model.recalled / (WARM_UP + 100)
        told = await _told_to_recallable(app, platform)
        await answered(app, platform, message("bo", "/incognito on"))
        control, control_cpu = await _talk(app, platform, "bo", count)
    of = f"with {memories:,} memories"
    half, fifth = 0.5, 0.2
    return [
        Row(f"reply overhead p50 {of}", percentile(times, half), "ms", 20.0, percentile(mem0, half), MEM0,
            ratio_goal=fifth, plot=PLOT, x=memories),
        Row(f"reply overhead p95 {of}", percentile(times, 0.95), "ms", None, percentile(mem0, 0.95), MEM0),
        Row("the same p50, against no memory at all", percentile(times, half), "ms", None, percentile(control, half),
            INCOGNITO),
        Row(f"CPU a message {of}", cpu, "ms", 20.0, mem0_cpu, MEM0, ratio_goal=fifth),
        Row("CPU a message, against no memory at all", cpu, "ms", None, control_cpu, INCOGNITO),
        Row("database and log grow by, a message", stored / 1024, "KiB"),
        Row("replies that had a memory to hold to", recalled, "%", 99.0, at_least=True),
        Row("from telling to recallable, the slowest of 20", told, "ms", 1_000.0),
    ]  # fmt: skip


async def _with_more(memories: int, count: int) -> list[Row]:
    platform, model = SilentPlatform(), InstantModel()
    async with application(platform, model) as app:
        await answered(app, platform, message("ana", "hello there"))
        await fill(app, await namespace_of(app, "ana"), memories)
        began = time.perf_counter()
        await answered(app, platform, message("ana", question(0)))
        first = time.perf_counter() - began
        times, cpu = await _talk(app, platform, "ana", count)
    p50 = percentile(times, 0.5)
    return [
        Row(f"reply overhead p50 with {memories:,} memories in one profile", p50, "ms", plot=PLOT, x=memories),
        Row(f"CPU a message with {memories:,} memories in one profile", cpu, "ms"),
        Row(f"the first reply, which opens {memories:,} memories", first, "s"),
    ]


async def _learning(count: int) -> list[Row]:
    """The same with a model that also learns, off the reply path, after every eight turns."""
    platform, model = SilentPlatform(), LearningModel()
    async with application(platform, model) as app:
        await answered(app, platform, message("ana", "hello there"))
        await fill(app, await namespace_of(app, "ana"), 1_000)
        times, cpu = await _talk(app, platform, "ana", count)
        await app.engine.learner.drain()
    return [
        Row("reply overhead p50 while it learns, 1,000 memories", percentile(times, 0.5), "ms"),
        Row("CPU a message while it learns", cpu, "ms"),
    ]


async def _long_talk(messages: int) -> list[Row]:
    """One session of so many messages of a person: nothing may grow with it. A prompt holds at most twelve memories
    however many there are; in a session's first messages there are few to recall, so that they are told apart."""
    platform, model = SilentPlatform(), LearningModel()
    async with application(platform, model) as app:
        times = []
        for number in range(messages):
            start = time.perf_counter()
            await answered(app, platform, message("ana", telling(number)))
            times.append(1000 * (time.perf_counter() - start))
            await app.engine.summarizer.drain()
    tenth = messages // 10
    early, late = times[tenth : 3 * tenth], times[-2 * tenth :]
    beginning, end = slice(tenth, 3 * tenth), slice(-2 * tenth, None)
    plain = [whole - of for whole, of in zip(model.prompts, model.recalled_characters, strict=True)]
    name = f"messages {tenth + 1} to {3 * tenth}"
    return [
        Row(f"reply overhead p50, the last {2 * tenth} of {messages:,} messages of a session", percentile(late, 0.5),
            "ms", None, percentile(early, 0.5), name, ratio_goal=1.5),
        Row(f"longest prompt, the last {2 * tenth} of {messages:,} messages", max(model.prompts[end]), "characters",
            40_000.0, max(model.prompts[beginning]), name),
        Row("of it all but the memories recalled", max(plain[end]), "characters", None, max(plain[beginning]), name,
            ratio_goal=1.1),
    ]  # fmt: skip


async def _told_to_recallable(app: App, platform: SilentPlatform) -> float:
    """Milliseconds from handing a message in until a search finds what it told, the slowest of twenty."""
    namespace = await namespace_of(app, "ana")
    slowest = 0.0
    for number in range(20):
        told = f"The code of my garden shed number {number} is kept by neighbour {number}"
        start = time.perf_counter()
        await answered(app, platform, message("ana", told))
        await _until_found(app, namespace, told)
        slowest = max(slowest, 1000 * (time.perf_counter() - start))
    return slowest


async def _until_found(app: App, namespace: MemoryNamespace, told: str) -> None:
    """Raises RuntimeError after a few seconds of looking."""
    for _ in range(1_000):
        found = await app.memory.search_memories([namespace], told, limit=3)
        if any(item.memory.text == told for item in found):
            return
        await asyncio.sleep(0.005)
    raise RuntimeError("what was told is not found")


async def _talk(app: App, platform: SilentPlatform, person: str, count: int) -> tuple[list[float], float]:
    """Milliseconds of each message, and CPU milliseconds a message, of stretches of twenty the middle one; half of the
    messages ask and half tell."""
    times, marks = [], [time.process_time()]
    for number in range(WARM_UP + count):
        text = question(number) if number % 2 else telling(number)
        start = time.perf_counter()
        await answered(app, platform, message(person, text))
        times.append(1000 * (time.perf_counter() - start))
        if (number + 1) % STRETCH == 0:
            marks.append(time.process_time())
    return times[WARM_UP:], middle_cpu(marks[WARM_UP // STRETCH :], STRETCH)


def _disk(app: App) -> int:
    """Bytes of the database with its write-ahead log."""
    home = Path(app.settings.home.folder)
    return sum(file.stat().st_size for file in home.rglob("*") if file.is_file() and ".db" in file.name)


if __name__ == "__main__":
    publish(asyncio.run(measure()), COMMAND)
