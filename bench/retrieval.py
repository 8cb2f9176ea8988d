"""How well memory finds what was told: recall, order, leaks, small talk and time, beside plainer ways in the same run.

`python -m bench.retrieval` prints the table; `--split dev` is for tuning, the test half is never tuned on.
`--talk FILE` adds a LoCoMo file. `python -m bench.retrieval serve` answers JSON lines on stdin, for outside harnesses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.memory.embedder import Embedder, MultilingualEmbedder, OnnxEmbedder
from bench.archive import Archive, Said, archive
from bench.controls import by_words, dense, mem0_name
from bench.raw_talk import raw_talk
from bench.serving import locomo_time, said_of, serve
from bench.table import Row, percentile, publish

DATA = Path(__file__).parent / "data"
DEEP = 20
DENSE = "dense only"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MEM0 = mem0_name()
COMMAND = "python -m bench.retrieval"
TALK_SEEDS = {"dev": 11, "test": 23, "all": 42}


@dataclass(frozen=True, slots=True)
class Asked:
    """`gold` are the ids that answer (any of them counts as found); `older` is what the gold replaced."""

    namespace: str
    text: str
    gold: frozenset[str]
    kind: str = ""
    older: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One language: recall@5 of real questions without and with the floor; which lines of small talk brought none."""

    recall: float
    with_floor: float
    silent: list[bool]


Search = Callable[[str, str, int], Awaitable[list[str]]]
"""namespace, question, how many → ids, best first."""


@dataclass
class Result:
    """Figures of one way of searching over one set of questions; shares from 0 to 1, times in ms."""

    recall: dict[int, float]
    mrr: float
    newer_first: float | None
    leaks: int
    milliseconds: list[float]
    missed: list[Asked]


async def evaluate(search: Search, asked: Sequence[Asked], depth: int = DEEP, *, said: Sequence[Said] = ()) -> Result:
    """`said` tells which namespace each id belongs to: whatever is found outside the asked one is a leak."""
    homes = {one.id: one.namespace for one in said}
    ranks: list[int | None] = []
    newer: list[bool] = []
    leaks, times, missed = 0, [], []
    for question in asked:
        started = time.perf_counter()
        ids = await search(question.namespace, question.text, depth)
        times.append((time.perf_counter() - started) * 1e3)
        leaks += sum(homes.get(name, question.namespace) != question.namespace for name in ids)
        if not question.gold:
            continue
        rank = next((place for place, name in enumerate(ids) if name in question.gold), None)
        ranks.append(rank)
        if rank is None or rank >= 5:
            missed.append(question)
        if question.older:
            newer.append(rank is not None and (question.older not in ids or rank < ids.index(question.older)))
    return Result(
        recall={k: _share([rank is not None and rank < k for rank in ranks]) for k in (5, 10, 20)},
        mrr=sum(1 / (rank + 1) for rank in ranks if rank is not None) / max(len(ranks), 1),
        newer_first=_share(newer) if newer else None,
        leaks=leaks,
        milliseconds=times,
        missed=missed,
    )


def people(split: str) -> tuple[list[Said], list[Asked]]:
    data = json.loads((DATA / "people.json").read_text("utf-8"))
    said = [said_of(row) for row in data["messages"]]
    asked = [
        Asked(row["namespace"], row["question"], frozenset(row["gold"]), row["kind"], row.get("older", ""))
        for row in data["questions"]
        if split in ("all", row["split"])
    ]
    return said, asked


def talk(seed: int, turns: int = 2_400) -> tuple[list[Said], list[Asked]]:
    said, asked = raw_talk(turns, seed)
    return (
        [Said(turn.id, turn.namespace, turn.speaker, turn.text, turn.at) for turn in said],
        [Asked(question.namespace, question.text, question.gold, "talk") for question in asked],
    )


def hidden(split: str, turns: int = 300) -> tuple[list[Said], list[Asked]]:
    """Each person's own facts among hundreds of turns of somebody's raw talk, all in one namespace."""
    said, asked = people(split)
    said = [one for one in said if one.namespace.endswith("/personal")]
    asked = [one for one in asked if one.namespace.endswith("/personal") and one.gold]
    around = [turn for turn in raw_talk(3 * turns, TALK_SEEDS[split])[0] if turn.speaker in ("Ada", "Bo")]
    for namespace in sorted({one.namespace for one in said}):
        said += [
            Said(f"{namespace}/talk/{number}", namespace, turn.speaker, turn.text, turn.at)
            for number, turn in enumerate(around)
        ]
    return said, asked


def locomo(path: Path) -> tuple[list[Said], list[Asked]]:
    """A file in LoCoMo's form: conversations with sessions of turns, questions with evidence by `dia_id`."""
    said: list[Said] = []
    asked: list[Asked] = []
    for number, sample in enumerate(json.loads(path.read_text("utf-8"))):
        namespace = str(sample.get("sample_id", number))
        talked = sample["conversation"]
        for key in sorted(
            (key for key in talked if key.removeprefix("session_").isdigit()), key=lambda key: int(key[8:])
        ):
            at = locomo_time(str(talked.get(f"{key}_date_time", ""))) or datetime(2023, 1, 1, tzinfo=UTC)
            said += [
                Said(f"{namespace}/{turn['dia_id']}", namespace, turn["speaker"], turn["text"], at)
                for turn in talked[key]
            ]
        for question in sample["qa"]:
            gold = frozenset(f"{namespace}/{evidence}" for evidence in question.get("evidence", ()))
            if gold and question.get("category") != 5:
                asked.append(Asked(namespace, question["question"], gold, str(question.get("category", ""))))
    return said, asked


async def languages(embedder: Embedder) -> dict[str, Spoken]:
    """Each language's thirty paraphrased questions and forty lines of small talk, among the memories in it."""
    data = json.loads((DATA / "languages.json").read_text("utf-8"))
    talk = json.loads((DATA / "quiet.json").read_text("utf-8"))["held_out"]
    figures: dict[str, Spoken] = {}
    async with archive(embedder) as store:

        async def with_floor(namespace: str, question: str, limit: int) -> list[str]:
            return await store.search(namespace, question, limit, floor=True)

        for language, pairs in data.items():
            for number, pair in enumerate(pairs):
                await store.add(Said(f"{language}/{number}", language, "Ana", pair["told"], LONG_AGO))
            asked = [Asked(language, pair["asked"], frozenset({f"{language}/{n}"})) for n, pair in enumerate(pairs)]
            silent = [not await with_floor(language, line, 5) for line in talk[language]]
            plain, floored = await evaluate(store.search, asked), await evaluate(with_floor, asked)
            figures[language] = Spoken(plain.recall[5], floored.recall[5], silent)
    return figures


def spoken_rows(figures: Mapping[str, Spoken], name: str) -> list[Row]:
    """One row a language, and over all of them what brings no memory and what the floor costs."""
    rows = [
        Row(f"recall@5 in {language}, {name}", 100 * one.recall, "%", at_least=True)
        for language, one in figures.items()
    ]
    asked = 100 * sum(one.recall for one in figures.values()) / len(figures)
    floored = 100 * sum(one.with_floor for one in figures.values()) / len(figures)
    silent = [line for one in figures.values() for line in one.silent]
    return [
        *rows,
        Row(f"the same in all six with the floor, {name}", floored, "%", None, asked, "without it", at_least=True),
        Row(f"held-out small talk in six languages that brings no memory, {name}", 100 * _share(silent), "%", 95.0,
            at_least=True),
    ]  # fmt: skip


async def tellings() -> Row:
    """What asks nothing and is no small talk has to bring the memory that matters to it."""
    pairs = json.loads((DATA / "quiet.json").read_text("utf-8"))["tellings"]
    async with archive() as store:
        for number, pair in enumerate(pairs):
            await store.add(Said(str(number), "ana", "Ana", pair["told"], LONG_AGO))
        found = [str(n) in await store.search("ana", pair["said"], 5, floor=True) for n, pair in enumerate(pairs)]
    return Row("tellings that bring the memory that matters to them", 100 * _share(found), "%", at_least=True)


async def updates(split: str, make: Callable[[], Embedder]) -> list[Row]:
    """Pairs of messages that share a word: the later one first where it replaces, the earlier one where it does not."""
    pairs = json.loads((DATA / "updates.json").read_text("utf-8"))["pairs"]
    pairs = [pair for pair in pairs if split in ("all", pair["split"])]
    said, asked = [], []
    for number, pair in enumerate(pairs):
        for name, at in (("first", LONG_AGO), ("later", LONG_AGO + timedelta(days=60))):
            at += timedelta(hours=7 * number)
            said.append(Said(f"{name} {number}", "ana", "Ana", pair[name], at))
        names = ("later", "first") if pair["kind"] == "update" else ("first", "later")
        gold, other = (f"{name} {number}" for name in names)
        asked.append(Asked("ana", pair["question"], frozenset({gold}), pair["kind"], other))
    plain, rows = make(), []
    vectors = await dense([(one.namespace, one.id, one.text) for one in said], plain)
    async with archive(make()) as store:
        for one in said:
            await store.add(one)
        for kind, name in (
            ("update", "the newer first of"),
            ("still true", "the older first, where it still holds, of"),
        ):
            these = [one for one in asked if one.kind == kind]
            ours, control = await evaluate(store.search, these), await evaluate(vectors, these)
            rows.append(
                Row(f"{name} two that share a word (no model)", 100 * (ours.newer_first or 0.0), "%", None,
                    100 * (control.newer_first or 0.0), DENSE, at_least=True)
            )  # fmt: skip
            if kind == "update":
                rows.append(Row("the newer among the first five", 100 * ours.recall[5], "%", None,
                                100 * control.recall[5], DENSE, at_least=True))  # fmt: skip
    await plain.close()
    return rows


async def quiet(store: Archive, namespaces: Iterable[str]) -> tuple[float, list[str]]:
    """The share of small talk that brings no memory, over several people's memories; what did bring some."""
    messages = json.loads((DATA / "small_talk.json").read_text("utf-8"))["messages"]
    names = list(namespaces)
    loud = [
        message
        for number, message in enumerate(messages)
        if await store.search(names[number % len(names)], message, 5, floor=True)
    ]
    return 1 - len(loud) / len(messages), loud


async def compare(
    said: Sequence[Said], asked: Sequence[Asked], make: Callable[[], Embedder], *, with_mem0: bool
) -> dict[str, Result]:
    """The product and its controls over the same messages and questions."""
    results: dict[str, Result] = {}
    async with archive(make()) as store:
        for one in said:
            await store.add(one)
        results["MemoryChat"] = await evaluate(store.search, asked, said=said)

        async def with_floor(namespace: str, question: str, limit: int) -> list[str]:
            return await store.search(namespace, question, limit, floor=True)

        results["MemoryChat, with floor"] = await evaluate(with_floor, asked, said=said)
    embedder = make()
    rows = [(one.namespace, one.id, one.text) for one in said]
    results[DENSE] = await evaluate(await dense(rows, embedder), asked, said=said)
    results["BM25 only"] = await evaluate(by_words(rows), asked, said=said)
    await embedder.close()
    if with_mem0:
        answers = await asyncio.to_thread(_mem0, said, asked)
        results[MEM0] = await evaluate(_replayed(answers, asked), asked, said=said)
        results[MEM0].milliseconds = [taken for _, taken in answers]
    return results


def _mem0(said: Sequence[Said], asked: Sequence[Asked]) -> list[tuple[list[str], float]]:
    """mem0's own `Memory` on its local Qdrant in a process of its own: ids and milliseconds of each question."""
    job = {
        "said": [[one.namespace, one.id, one.speaker, one.text] for one in said],
        "asked": [[one.namespace, one.text] for one in asked],
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.controls"], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    return [(row["ids"], row["ms"]) for row in json.loads(done.stdout)]


def _replayed(answers: list[tuple[list[str], float]], asked: Sequence[Asked]) -> Search:
    by_question = {(one.namespace, one.text): ids for one, (ids, _) in zip(asked, answers, strict=True)}

    async def search(namespace: str, question: str, limit: int) -> list[str]:
        return by_question[namespace, question][:limit]

    return search


def lines(title: str, results: dict[str, Result]) -> str:
    shown = [
        f"\n### {title}\n",
        "| way | recall@5 | recall@10 | recall@20 | MRR | newer first | leaks | p50 ms | p95 ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, result in results.items():
        newer = "" if result.newer_first is None else f"{result.newer_first:.0%}"
        times = result.milliseconds
        shown.append(
            f"| {name} | {result.recall[5]:.1%} | {result.recall[10]:.1%} | {result.recall[20]:.1%} | {result.mrr:.3f} "
            f"| {newer} | {result.leaks} | {percentile(times, 0.5):.1f} | {percentile(times, 0.95):.1f} |"
        )
    return "\n".join(shown)


async def report(split: str, make: Callable[[], Embedder], *, with_mem0: bool, files: Sequence[Path]) -> None:
    said, asked = people(split)
    results = await compare(said, asked, make, with_mem0=with_mem0)
    print(lines(f"Ten people, {len(said)} messages, {len(asked)} questions ({split})", results))
    print("\n| kind | questions | recall@5 |\n| --- | ---: | ---: |")
    ours = results["MemoryChat"]
    rows = [
        Row("recall@5, own test questions", 100 * ours.recall[5], "%", 90.0, at_least=True),
        Row("leaks between namespaces", float(ours.leaks), "", 0.0),
        Row("newer first where a fact was updated (no model)", 100 * (ours.newer_first or 0.0), "%", None,
            100 * (results[DENSE].newer_first or 0.0), DENSE, at_least=True),
    ]  # fmt: skip
    missed = ours.missed
    for kind in sorted({one.kind for one in asked if one.gold}):
        count = sum(one.kind == kind for one in asked)
        print(f"| {kind} | {count} | {1 - sum(one.kind == kind for one in missed) / count:.1%} |")
    rows += await updates(split, make)
    told, about = hidden(split)
    results = await compare(told, about, make, with_mem0=with_mem0)
    print(lines(f"Facts hidden in talk, {len(told)} messages, {len(about)} questions", results))
    rows += _against_controls("facts hidden in talk", results, tolerance=2.0)
    talked, about = talk(TALK_SEEDS[split])
    results = await compare(talked, about, make, with_mem0=with_mem0)
    print(lines(f"Raw talk, {len(talked)} turns, {len(about)} questions", results))
    rows += _against_controls("raw talk", results)
    for path in files:
        talked, about = locomo(path)
        print(
            lines(
                f"{path.name}, {len(talked)} turns, {len(about)} questions",
                await compare(talked, about, make, with_mem0=False),
            )
        )
    async with archive(make()) as store:
        for one in said:
            await store.add(one)
        share, loud = await quiet(store, store.namespaces)
    rows += [Row("small talk that brings no memory", 100 * share, "%", 95.0, at_least=True), await tellings()]
    print(f"\nSmall talk that brings no memory: {share:.1%} (goal ≥ 95 %); these did: {loud}")
    print("\n| embedder | " + " | ".join(("en", "es", "de", "fr", "zh", "ru")) + " |\n| --- |" + " ---: |" * 6)
    choices: list[Embedder] = [OnnxEmbedder()]
    try:
        multilingual = MultilingualEmbedder()
        await multilingual.warm()
        choices.append(multilingual)
    except Exception as error:
        print(f"(multilingual embedder not installed: {type(error).__name__})")
    for embedder in choices:
        figures = await languages(embedder)
        rows += spoken_rows(figures, embedder.name)
        print(f"| {embedder.name} | " + " | ".join(f"{one.recall:.0%}" for one in figures.values()) + " |")
        shares = " | ".join(f"{_share(one.silent):.0%}" for one in figures.values())
        print(f"| … small talk that brings none | {shares} |")
    publish(rows, COMMAND)


def _against_controls(what: str, results: dict[str, Result], tolerance: float = 0.0) -> list[Row]:
    """Recall@10 beside each control's, to be reached within so many points."""
    ours = 100 * results["MemoryChat"].recall[10]
    controls = {name: 100 * result.recall[10] for name, result in results.items() if not name.startswith("MemoryChat")}
    return [
        Row(f"recall@10, {what}, against {name}", ours, "%", control - (0.0 if name == MEM0 else tolerance), control,
            name, at_least=True)
        for name, control in controls.items()
    ]  # fmt: skip


def _share(values: Sequence[bool]) -> float:
    return sum(values) / max(len(values), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval")
    parser.add_argument("command", nargs="?", choices=["report", "serve"], default="report")
    parser.add_argument("--split", choices=["dev", "test", "all"], default="test")
    parser.add_argument("--no-mem0", action="store_true", help="leave out the slow control")
    parser.add_argument("--talk", type=Path, action="append", default=[], help="a LoCoMo file")
    parser.add_argument("--embedder", choices=["english", "multilingual"], default="english")
    given = parser.parse_args()
    make = {"english": OnnxEmbedder, "multilingual": MultilingualEmbedder}[given.embedder]
    if given.command == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(report(given.split, make, with_mem0=not given.no_mem0, files=given.talk))


if __name__ == "__main__":
    main()
