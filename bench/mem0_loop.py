"""The control that has a memory: mem0 as its documentation shows it, in a process of its own.

A search before the answer, an add after it, both awaited; mem0's own inference with a model that answers at once over
loopback, its local Qdrant on disk, our offline embedder. The model that talks is called in process, as in ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.support import fact, question, telling
from bench.table import middle_cpu

STRETCH = 20
"""Messages between two looks at the CPU's clock."""


async def _run(folder: str, base_url: str, memories: int, messages: int, *, extras: bool) -> dict[str, object]:
    os.environ.update(MEM0_TELEMETRY="False", MEM0_DIR=folder, OPENAI_API_KEY="unused")
    from mem0 import AsyncMemory
    from mem0.configs.base import MemoryConfig

    from bench.controls import Embedding, with_extras, without_spacy

    config = {
        "vector_store": {
            "provider": "qdrant",
            "config": {"path": f"{folder}/qdrant", "embedding_model_dims": 384, "on_disk": True},
        },
        "llm": {"provider": "openai", "config": {"model": "stub", "openai_base_url": base_url}},
        "history_db_path": f"{folder}/history.db",
    }
    memory = AsyncMemory(MemoryConfig(**config))
    memory.embedding_model = Embedding()
    if extras:
        with_extras(memory.vector_store)
    else:
        without_spacy()
    for number in range(memories):
        await memory.add([{"role": "user", "content": fact(number)}], user_id="ana", infer=False)
    times: list[float] = []
    marks = [time.process_time()]
    for number in range(messages):
        text = question(number) if number % 2 else telling(number)
        start = time.perf_counter()
        found = await memory.search(text, filters={"user_id": "ana"}, top_k=5)
        prompt = "\n".join(f"- {row['memory']}" for row in found["results"])
        answer = "Yes." if prompt is not None else ""
        talk = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        learned = await memory.add(talk, user_id="ana")
        assert number or learned["results"], "the stub's facts are not what mem0 reads"
        times.append(1000 * (time.perf_counter() - start))
        if (number + 1) % STRETCH == 0:
            marks.append(time.process_time())
    return {"times": times, "cpu_ms": middle_cpu(marks, STRETCH)}


async def measure(base_url: str, memories: int, messages: int, *, extras: bool = False) -> tuple[list[float], float]:
    """Milliseconds of each message, and CPU milliseconds a message; `extras`: with what `mem0ai[nlp]` brings too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.mem0_loop", base_url, str(memories), str(messages), "extras" * extras),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    told, _ = await process.communicate()
    done = json.loads(told)
    return done["times"], done["cpu_ms"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        url, memories, messages, extras = sys.argv[1:]
        done = _run(scratch, url, int(memories), int(messages), extras=bool(extras))
        print(json.dumps(asyncio.run(done)))
