"""The door for harnesses from outside: JSON lines in, JSON lines out, whatever comes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
Lines = list[dict[str, object]]


def told(name: str, text: str, namespace: str = "ana:personal/rome", **more: object) -> dict[str, object]:
    when = {"timestamp": "2026-01-01T10:00:00"}
    return {"op": "add", "namespace": namespace, "id": name, "speaker": "Ana", "text": text} | when | more


def asked(query: object, k: object, namespace: str = "ana:personal/rome") -> dict[str, object]:
    return {"op": "search", "namespace": namespace, "query": query, "k": k}


async def served(lines: Iterable[object]) -> Lines:
    """The answers to what is sent, one a line; bytes go as they are, and nothing ends the last line."""
    sent = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.retrieval", "serve"],
        input=sent,
        cwd=ROOT,
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


async def test_an_outside_harness_can_store_and_search_under_its_own_names() -> None:
    free = "家/🏠 * \ud83c:x"
    answers = await served(
        [
            told("m:1/x", "My dog is called Rex"),
            told("m:2/x", "I work in Oslo"),
            told("m:3/x", "My salary is 5200", "ben"),
            told("m:4/x", "My dog is called Rex"),
            told("🆔", "我的狗叫雷克斯", free),
            {"op": "flush"},
            asked("What is my pet's name?", 2),
            asked("salary", 5, "nobody"),
            asked("我的狗叫什么？", 5, free),
            {"op": "stats"},
            asked("dog Rex", 10**30),
            asked("dog Rex", 0),
            asked("", 5),
            asked(" \t", 5),
            asked("?! 👍 \ud800", 1),
            told("m:1/x", "My dog is called Rex"),
            asked("dog Rex", 9),
        ]
    )
    assert answers[:6] == [{"ok": True}] * 6
    assert answers[6] == {"ids": ["m:1/x", "m:2/x"]}
    assert answers[7] == {"ids": []}
    assert answers[8] == {"ids": ["🆔"]}
    size = answers[9]["index_bytes"]
    assert isinstance(size, int)
    assert size > 3 * 384 * 4
    assert answers[10] == {"ids": ["m:1/x", "m:2/x", "m:4/x"]}
    assert answers[11:14] == [{"ids": []}] * 3
    found = answers[14]["ids"]
    assert isinstance(found, list)
    assert len(found) == 1
    assert answers[15:] == [{"ok": True}, answers[10]]  # the same once more changes nothing


async def test_what_is_wrong_with_a_line_is_told_and_the_next_is_answered() -> None:
    wrong = [
        b"no json",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        *(json.dumps(value).encode() for value in ([], 7, None, "add", {}, {"op": ["add"]}, {"op": "what"})),
        {"op": "add"},
        *({key: value for key, value in told("x", "y").items() if key != left} for left in ("id", "namespace", "text")),
        told("x", ""),
        told("x", " \n"),
        {**told("x", ""), "text": 5},
        {**told("x", "y"), "id": None},
        told("taken", "another text"),
        *(told("x", "y", timestamp=when) for when in ("yesterday", True, 1e300, {"a": 1}, "2026-13-45")),
        *(asked("Oslo", k) for k in (-1, "5", 2.5, None, True, [3])),
        asked(None, 5),
        {"op": "search", "namespace": "n", "query": "Oslo"},
    ]
    answers = await served([told("taken", "I live in Oslo"), *wrong, asked("Where do I live?", 3), b'{"op":"flu'])
    assert answers[0] == {"ok": True}
    refused = answers[1 : 1 + len(wrong)]
    assert [list(answer) for answer in refused] == [["error"]] * len(wrong)
    assert all(answer["error"] for answer in refused)
    assert answers[1 + len(wrong) :] == [{"ids": ["taken"]}, {"error": "JSONDecodeError"}]


@pytest.mark.long
async def test_a_huge_text_and_every_usual_form_of_a_date_are_taken() -> None:
    forms: list[object] = [
        "2026-01-01T10:00:00Z",
        "2026-01-01T10:00:00+02:00",
        "2026-01-01 10:00",
        "20260101",
        "1767225600",
        1767225600,
        1767225600.5,
        1767225600000,
        "1:56 pm on 8 May, 2023",
        "",
        None,
    ]
    answers = await served(
        [
            *(told(f"t{number}", f"Thing number {number}", timestamp=form) for number, form in enumerate(forms)),
            told("long", "My neighbour keeps bees. " * 40_000),
            asked("Who keeps bees?", 1),
            asked("bees " * 200_000, 1),
        ]
    )
    assert answers == [{"ok": True}] * (len(forms) + 1) + [{"ids": ["long"]}] * 2
