"""What people got of a bot that was killed, over and over: `worker.FilePlatform` wrote it down."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path


def check_answers(replies: Path, expected: Mapping[str, Sequence[str]], told: str) -> int:
    """Every message of each chat was answered, in its order, once or a second time under the label. How many replies
    were labelled; `told` goes with a failure."""
    answers: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    labelled = 0
    for line in replies.read_text("utf-8").splitlines():
        reply = json.loads(line)
        if reply["kind"] == "answer":
            labelled += reply["label"]
            answers[reply["chat"]] += [(name, reply["label"]) for name in reply["text"].split()]
    for chat, names in expected.items():
        firsts = list(dict.fromkeys(name for name, _ in answers[chat]))
        assert set(names) - set(firsts) == set(), f"lost in {chat}, {told}"
        assert firsts == list(names), f"order of {chat} lost, {told}"
        unlabelled = [name for name, label in answers[chat] if not label]
        assert len(unlabelled) == len(set(unlabelled)), f"answered twice in {chat}, {told}"
    return labelled
