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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.clock import SystemClock
from adapters.keys.plain import PlainSealer
from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import Embedder, MultilingualEmbedder, OnnxEmbedder
from adapters.memory.mem0_memory import Mem0Memory
from adapters.stores.memory import MemoryStore
from bench.controls import by_words, dense, mem0_name
from bench.raw_talk import raw_talk
from bench.table import Row, percentile, publish
from core.errors import MemoryChatError
from core.ports import MemoryOrigin
from core.types import Memory, MemoryId, MemoryNamespace, TurnId, UserId, new_id

DATA = Path(__file__).parent / "data"
DEEP = 20
MEM0 = mem0_name()
COMMAND = "python -m bench.retrieval"
MOST_FOUND = 1_000
MILLISECONDS_FROM = 1e11
"""Numbers beyond this are milliseconds: as seconds it would be the year 5138."""
TALK_SEEDS = {"dev": 11, "test": 23, "all": 42}


@dataclass(frozen=True, slots=True)
class Said:
    id: str
    namespace: str
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """`gold` are the ids that answer (any of them counts as found); `older` is what the gold replaced."""

    namespace: str
    text: str
    gold: frozenset[str]
    kind: str = ""
    older: str = ""


Search = Callable[[str, str, int], Awaitable[list[str]]]
"""namespace, question, how many → ids, best first."""


@dataclass
class Archive:
    """The product's memory under free names: `ana:personal/rome` is as good a namespace or id as any."""

    memory: Mem0Memory
    store: MemoryStore
    namespaces: dict[str, MemoryNamespace] = field(default_factory=dict)
    ids: dict[MemoryId, list[str]] = field(default_factory=dict)
    speakers: dict[str, UserId] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    async def namespace(self, name: str) -> MemoryNamespace:
        if name not in self.namespaces:
            user = await self.store.create_user()
            self.namespaces[name] = (await self.store.get_default_memory_profile(user.id)).namespace
        return self.namespaces[name]

    async def add(self, said: Said) -> Memory:
        speaker = self.speakers.setdefault(said.speaker, UserId(new_id()))
        origin = MemoryOrigin(said.at, speaker, said.speaker, source_turns=(TurnId(new_id()),))
        memory = await self.memory.add_memory(await self.namespace(said.namespace), said.text, origin)
        names = self.ids.setdefault(memory.id, [])
        if said.id not in names:
            names.append(said.id)
        return memory

    async def search(self, namespace: str, question: str, limit: int, *, floor: bool = False) -> list[str]:
        space = await self.namespace(namespace)
        found = await self.memory.search_memories([space], question, limit=limit, floor=floor)
        ids = [self.ids[item.memory.id] for item in found]
        # A text that was told several times is one memory; its other ids come after everything else.
        return [*(names[0] for names in ids), *(name for names in ids for name in names[1:])][:limit]


@asynccontextmanager
async def archive(embedder: Embedder | None = None) -> AsyncIterator[Archive]:
    clock = SystemClock()
    store = MemoryStore(clock)
    await store.open()
    memory = Mem0Memory(store, PlainSealer(), embedder or OnnxEmbedder(), OfflineLanguageModel(), clock)
    await memory.warm()
    yield Archive(memory, store)
    await memory.close()


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
    said = [_said(row) for row in data["messages"]]
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
            at = _locomo_time(str(talked.get(f"{key}_date_time", ""))) or datetime(2023, 1, 1, tzinfo=UTC)
            said += [
                Said(f"{namespace}/{turn['dia_id']}", namespace, turn["speaker"], turn["text"], at)
                for turn in talked[key]
            ]
        for question in sample["qa"]:
            gold = frozenset(f"{namespace}/{evidence}" for evidence in question.get("evidence", ()))
            if gold and question.get("category") != 5:
                asked.append(Asked(namespace, question["question"], gold, str(question.get("category", ""))))
    return said, asked


def _locomo_time(text: str) -> datetime | None:
    """`1:56 pm on 8 May, 2023`."""
    for form in ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %b, %Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


async def languages(embedder: Embedder) -> dict[str, float]:
    """Recall@5 by language, each asked among the memories of all: thirty paraphrased questions each."""
    data = json.loads((DATA / "languages.json").read_text("utf-8"))
    figures: dict[str, float] = {}
    async with archive(embedder) as store:
        for language, pairs in data.items():
            at = datetime(2026, 1, 1, tzinfo=UTC)
            for number, pair in enumerate(pairs):
                await store.add(Said(f"{language}/{number}", language, "Ana", pair["told"], at))
            asked = [Asked(language, pair["asked"], frozenset({f"{language}/{n}"})) for n, pair in enumerate(pairs)]
            figures[language] = (await evaluate(store.search, asked)).recall[5]
    return figures


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
    results["dense only"] = await evaluate(await dense(rows, embedder), asked, said=said)
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
            100 * (results["dense only"].newer_first or 0.0), "dense only", at_least=True),
    ]  # fmt: skip
    missed = ours.missed
    for kind in sorted({one.kind for one in asked if one.gold}):
        count = sum(one.kind == kind for one in asked)
        print(f"| {kind} | {count} | {1 - sum(one.kind == kind for one in missed) / count:.1%} |")
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
    rows.append(Row("small talk that brings no memory", 100 * share, "%", 95.0, at_least=True))
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
        rows += [
            Row(f"recall@5 in {language}, {embedder.name}", 100 * share, "%", at_least=True)
            for language, share in figures.items()
        ]
        print(f"| {embedder.name} | " + " | ".join(f"{share:.0%}" for share in figures.values()) + " |")
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


class Refused(Exception):
    """What is wrong with a line, for whoever sent it."""


async def serve() -> None:
    """One JSON object a line: `add`, `flush`, `search`, `stats`. Every line gets one line, a mistake `{"error": …}`."""
    async with archive() as store:
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            if line.strip():
                print(json.dumps(await _answered(store, line)), flush=True)


async def _answered(store: Archive, line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict) or _text(request, "op") not in _OPERATIONS:
            raise Refused(f"an object with `op`, one of {', '.join(_OPERATIONS)}")
        return await _OPERATIONS[request["op"]](store, request)
    except Refused as error:
        return {"error": str(error)}
    except MemoryChatError as error:
        return {"error": error.user_message}
    except Exception as error:  # whatever a line does, the next one is answered
        return {"error": type(error).__name__}


async def _add(store: Archive, request: Request) -> dict[str, object]:
    """Once more the same is fine; another text under a name that is taken is not."""
    said = _said(request)
    taken = store.texts.setdefault((said.namespace, said.id), said.text)
    if taken != said.text:
        raise Refused("`id`: taken by another text of this namespace")
    try:
        await store.add(said)
    except MemoryChatError:
        del store.texts[said.namespace, said.id]
        raise
    return {"ok": True}


async def _flush(store: Archive, request: Request) -> dict[str, object]:
    """What was added is searchable already."""
    return {"ok": True}


async def _search(store: Archive, request: Request) -> dict[str, object]:
    namespace, query, count = _text(request, "namespace"), _text(request, "query"), request.get("k")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise Refused("`k`: a whole number, 0 or more")
    if not count:
        return {"ids": []}
    return {"ids": await store.search(namespace, query, min(count, MOST_FOUND))}


async def _stats(store: Archive, request: Request) -> dict[str, object]:
    """The vectors as float32 and the texts, which is what the index holds in memory."""
    total = 0
    for space in store.namespaces.values():
        memories = await store.memory.get_memories(space, limit=1_000_000)
        total += sum(384 * 4 + len(memory.text.encode("utf-8", "replace")) for memory in memories)
    return {"index_bytes": total}


Request = dict[str, object]
_OPERATIONS: dict[str, Callable[[Archive, Request], Awaitable[dict[str, object]]]] = {
    "add": _add,
    "flush": _flush,
    "search": _search,
    "stats": _stats,
}


def _said(row: Mapping[str, object]) -> Said:
    """Raises Refused."""
    name, namespace, text = _text(row, "id"), _text(row, "namespace"), _text(row, "text")
    return Said(name, namespace, _text(row, "speaker", ""), text, _moment(row.get("timestamp")))


def _text(row: Mapping[str, object], field: str, default: str | None = None) -> str:
    value = row.get(field, default)
    if not isinstance(value, str):
        raise Refused(f"`{field}`: a text")
    return value


def _moment(given: object) -> datetime:
    """ISO 8601 or LoCoMo's form, without a zone in UTC; seconds or milliseconds since 1970; nothing: now."""
    if given is None or given == "":
        return datetime.now(UTC)
    try:
        if isinstance(given, str) and not given.strip().isdecimal():
            return _locomo_time(given.strip()) or _in_utc(datetime.fromisoformat(given.strip()))
        if isinstance(given, str | int | float) and not isinstance(given, bool):
            seconds = float(given)
            return datetime.fromtimestamp(seconds / 1_000 if abs(seconds) > MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused("`timestamp`: ISO 8601, or seconds since 1970")


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


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
