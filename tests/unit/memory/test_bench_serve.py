"""The door for harnesses from outside: JSON lines in, JSON lines out."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


async def test_an_outside_harness_can_store_and_search_under_its_own_names() -> None:
    def told(number: int, text: str, namespace: str = "ana:personal/rome") -> dict[str, object]:
        at = f"2026-01-0{number}T10:00:00"
        return {
            "op": "add",
            "namespace": namespace,
            "id": f"m:{number}/x",
            "speaker": "Ana",
            "text": text,
            "timestamp": at,
        }

    requests: list[object] = [
        told(1, "My dog is called Rex"),
        told(2, "I work in Oslo"),
        told(3, "My salary is 5200", "ben"),
        told(4, "My dog is called Rex"),
        {"op": "flush"},
        {"op": "search", "namespace": "ana:personal/rome", "query": "What is my pet's name?", "k": 2},
        {"op": "search", "namespace": "nobody", "query": "salary", "k": 5},
        {"op": "stats"},
        {"op": "what"},
    ]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.retrieval", "serve"],
        input="\n".join([*map(json.dumps, requests), "no json", ""]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[:5] == [{"ok": True}] * 5
    assert answers[5] == {"ids": ["m:1/x", "m:2/x"]}
    assert answers[6] == {"ids": []}
    assert answers[7]["index_bytes"] > 3 * 384 * 4
    assert answers[8] == {"error": "KeyError"}
    assert answers[9] == {"error": "JSONDecodeError"}
