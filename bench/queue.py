"""Many at once: a hundred conversations on one process, a paced stream of messages, workers on Postgres.

`python -m bench.queue`. The model takes two seconds for an answer; the control is the time that the model alone takes.
The steps' cost is CPU time of the whole process between one step's end and the next one's, one message after the other.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from bench.support import InstantModel, SilentPlatform, StreamingModel, answered, application, message
from bench.table import Row, is_quick, percentile, publish
from bot.bootstrap import App, Duty, build
from bot.settings import Settings, settings_from
from core.ports.observer import Step, Unobserved

CONVERSATIONS = 100
PACE = 50
"""Messages a second."""
STRETCH = 10
"""Seconds."""
STRETCHES = 5
AT_ONCE = 10
"""Turns that one worker runs at a time."""
ROUNDS = 6


class CpuObserver(Unobserved):
    """Whose CPU time it was: what passed since the last step's end is this step's."""

    def __init__(self) -> None:
        self.cost: dict[Step, float] = defaultdict(float)
        self._last = time.process_time()

    def took(self, step: Step, seconds: float) -> None:
        now = time.process_time()
        self.cost[step] += now - self._last
        self._last = now


async def crowd() -> list[Row]:
    platform = SilentPlatform()
    async with application(platform, StreamingModel()) as app:
        people = [f"person {number}" for number in range(CONVERSATIONS)]
        began = time.perf_counter()
        waits = await asyncio.gather(*(_timed(app, platform, person) for person in people))
        return [
            Row(
                "100 conversations at once, a model of 2 s: all answered",
                time.perf_counter() - began,
                "s",
                5.0,
                StreamingModel.SECONDS,
                "the model alone",
            ),
            Row("the same, one conversation's p95", percentile(waits, 0.95), "s"),
        ]


async def _timed(app: App, platform: SilentPlatform, person: str) -> float:
    began = time.perf_counter()
    await answered(app, platform, message(person, "My sister bought a violin."))
    return time.perf_counter() - began


async def paced() -> list[Row]:
    """Accepting while the same process answers and remembers what no message before has told: of a few stretches the
    middle one, after one to warm up."""
    async with application(SilentPlatform(), InstantModel()) as app:
        p95 = [percentile(await _at_pace(app, stretch), 0.95) for stretch in range(1 + STRETCHES)][1:]
    name = f"accept to acknowledgement at {PACE} messages/s on SQLite, p95"
    return [
        Row(f"{name}, the middle one of {STRETCHES} stretches of {STRETCH} s", percentile(p95, 0.5), "ms", 20.0),
        Row(f"{name}, the slowest one", max(p95), "ms"),
    ]


async def _at_pace(app: App, stretch: int) -> list[float]:
    """Milliseconds until each message of a stretch was acknowledged."""
    times: list[float] = []

    async def hand_in(number: int) -> None:
        began = time.perf_counter()
        text = f"My dog number {number} of litter {stretch} is called Rex"
        await app.engine.handle(message(f"person {number % 50}", text))
        times.append(1000 * (time.perf_counter() - began))

    began, handed = time.perf_counter(), []
    for number in range(PACE * STRETCH):
        await asyncio.sleep(max(0.0, began + number / PACE - time.perf_counter()))
        handed.append(asyncio.create_task(hand_in(number)))
    await asyncio.gather(*handed)
    await app.queue.drain()
    return times


async def steps() -> list[Row]:
    count, observer, platform = 50 if is_quick() else 200, CpuObserver(), SilentPlatform()
    with tempfile.TemporaryDirectory() as home:
        values = {"MEMORYCHAT_HOME": home, "MEMORYCHAT_MASTER_KEY": "A" * 43 + "="}
        built = build(settings_from(values), platforms=[platform], model=InstantModel(), observer=observer)
        async with built as app:
            await app.memory.warm()
            await answered(app, platform, message("ana", "Hello"))
            await app.queue.drain()
            observer.cost.clear()
            began = time.process_time()
            observer.took(Step.TURN, 0)
            observer.cost.clear()
            for number in range(count):
                await answered(app, platform, message("ana", f"Friend number {number} bought a violin."))
                await app.queue.drain()
            whole = 1000 * (time.process_time() - began) / count
    rows = [Row(f"CPU a message, {step}", 1000 * cost / count, "ms") for step, cost in sorted(observer.cost.items())]
    return [Row("CPU a message, all steps", whole, "ms"), *rows]


async def workers() -> list[Row]:
    from tests.support.postgres import postgres_server

    rows: list[Row] = []
    with postgres_server() as server:
        from adapters.queues.postgres import install

        one = 0.0
        for count in (1, 2, 4):
            url = server.fresh(f"bench{count}")
            install(url)
            newcomers, rate = await _throughput(url, count)
            one = one or rate
            goal = None if count == 1 else 0.9 * count * one
            control = count * AT_ONCE / StreamingModel.SECONDS
            name = f"turns a second, {count} workers of {AT_ONCE} turns, a model of 2 s"
            rows.append(Row(name, rate, "/s", goal, control, "the model alone", at_least=True))
            rows.append(Row(f"the same, {count} workers, people who write for the first time", newcomers, "/s"))
    return rows


async def _throughput(url: str, count: int) -> tuple[float, float]:
    """Turns a second from the first message to the last answer, of newcomers and of the same people once known; every
    worker is up."""
    turns = count * AT_ONCE * ROUNDS
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        env = {
            **os.environ,
            "BENCH_URL": url,
            "BENCH_HOME": str(folder),
            "MEMORYCHAT_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        }
        os.environ["MEMORYCHAT_MASTER_KEY"] = env["MEMORYCHAT_MASTER_KEY"]
        gateway = await stack.enter_async_context(
            build(_shared(url, folder), platforms=[SilentPlatform()], model=StreamingModel(), duty=Duty.GATEWAY)
        )
        processes = [await _hire(env) for _ in range(count)]
        people = [f"person {number}" for number in range(turns)]
        newcomers = await _seconds(gateway, people)
        known = await _seconds(gateway, people)
        for process in processes:
            process.terminate()
            await process.wait()
    return turns / newcomers, turns / known


async def _seconds(gateway: App, people: list[str]) -> float:
    """Seconds until the workers have answered a message of everybody, all of them handed in at once."""
    began = time.perf_counter()
    await asyncio.gather(*(gateway.engine.handle(message(person, "Is it raining?")) for person in people))
    while True:
        state = await gateway.store.queue_state()
        if not state.waiting and not state.running:
            return time.perf_counter() - began
        await asyncio.sleep(0.1)


async def _hire(env: dict[str, str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.queue", "worker", env=env, stdout=pipe)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


def _shared(url: str, folder: Path) -> Settings:
    return settings_from(
        {
            "MEMORYCHAT_HOME": str(folder / "home"),
            "MEMORYCHAT_MASTER_KEY": os.environ["MEMORYCHAT_MASTER_KEY"],
            "DATABASE_URL": url,
            "QUEUE": "postgres",
            "QUEUE_CONCURRENCY": str(AT_ONCE),
        }
    )


async def work() -> None:
    """One worker, up and warm when it says so."""
    settings = _shared(os.environ["BENCH_URL"], Path(os.environ["BENCH_HOME"]))
    async with build(settings, platforms=[SilentPlatform()], model=StreamingModel(), duty=Duty.WORKER) as app:
        await app.memory.warm()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


async def main() -> list[Row]:
    return [*await crowd(), *await paced(), *await steps(), *await workers()]


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        asyncio.run(work())
    else:
        publish(asyncio.run(main()), "python -m bench.queue")
