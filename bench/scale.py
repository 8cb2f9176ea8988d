"""Memory search at scale: 50,000 memories in 200 namespaces, embedding included; and what 10,000 memories weigh.

`python -m bench.scale search|weight`. The control of the search is the embedding of the question alone, which every
semantic search has to pay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time

from bench.support import SilentPlatform, application, fact, fill, peak_mb, resident_mb
from bench.table import Row, percentile, publish
from bot.bootstrap import App
from core.types import MemoryNamespace

NAMESPACES = 200
MEMORIES_EACH = 250
SEARCHES = 300


async def search() -> list[Row]:
    async with application(SilentPlatform()) as app:
        namespaces = await _people(app, NAMESPACES)
        for namespace in namespaces:
            # The same facts for everybody: they are embedded once, and searching costs the same.
            await fill(app, namespace, MEMORIES_EACH)
        for namespace in namespaces:
            await app.memory.search_memories([namespace], "warm up")
        times = []
        for number in range(SEARCHES):
            question = f"Who {fact(number * 13)[3:]} number {number}?"
            start = time.perf_counter()
            await app.memory.search_memories([namespaces[number % NAMESPACES]], question)
            times.append(1000 * (time.perf_counter() - start))
        embedding = await _embedding_alone()
        return [
            Row(
                "memory search p50, 50,000 in 200 namespaces",
                percentile(times, 0.5),
                "ms",
                None,
                percentile(embedding, 0.5),
                "embedding alone",
            ),
            Row(
                "memory search p95", percentile(times, 0.95), "ms", 15.0, percentile(embedding, 0.95), "embedding alone"
            ),
        ]


async def weight() -> list[Row]:
    """Of a bot that was started again: what filling the profile took is not in it."""
    with tempfile.TemporaryDirectory() as home:
        async with application(SilentPlatform(), MEMORYCHAT_HOME=home) as app:
            [namespace] = await _people(app, 1)
            await fill(app, namespace, 10_000)
        restarted = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.scale", "restarted", home, str(namespace), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await restarted.communicate()
    empty, full, peak = map(float, out.split())
    return [
        Row("resident with three platform SDKs and 10,000 memories", full, "MB", 450.0, empty, "none, memory loaded"),
        Row("the same, for a moment while they are opened", peak, "MB"),
    ]


async def weigh(home: str, namespace: MemoryNamespace) -> str:
    """Megabytes resident before and after the profile's memories are opened, and the most in between, in a process that
    does nothing else."""
    import discord  # noqa: F401  # the three SDKs are loaded, as in a process that hears all platforms
    import slack_bolt  # noqa: F401  # as above
    import telegram.ext  # noqa: F401  # as above

    async with application(SilentPlatform(), MEMORYCHAT_HOME=home) as app:
        empty = resident_mb()
        found = await app.memory.search_memories([namespace], fact(1))
        assert found
        return f"{empty} {resident_mb()} {peak_mb()}"


async def _people(app: App, count: int) -> list[MemoryNamespace]:
    users = [await app.store.create_user(display_name=f"person {number}") for number in range(count)]
    return [(await app.store.get_default_memory_profile(user.id)).namespace for user in users]


async def _embedding_alone() -> list[float]:
    from adapters.memory.embedder import OnnxEmbedder

    embedder = OnnxEmbedder()
    await embedder.warm()
    times = []
    for number in range(SEARCHES):
        start = time.perf_counter()
        await embedder.embed([f"Who {fact(number * 13)[3:]} number {number}?"])
        times.append(1000 * (time.perf_counter() - start))
    await embedder.close()
    return times


if __name__ == "__main__":
    if sys.argv[1] == "restarted":
        print(asyncio.run(weigh(sys.argv[2], MemoryNamespace.parse(sys.argv[3]))))
    else:
        measured = {"search": search, "weight": weight}[sys.argv[1]]
        publish(asyncio.run(measured()), f"python -m bench.scale {sys.argv[1]}")
