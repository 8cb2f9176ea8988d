"""`bench/report.md` and its plots, written from the rows that the benchmarks of one run handed over."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.controls import has_extras
from bench.raw_talk import SLOTS
from bench.retrieval import TALK_SEEDS
from bench.table import Row, cells

HERE = Path(__file__).parent
LIBRARIES = ("mem0ai", "qdrant-client", "onnxruntime", "numpy", "sqlalchemy", "python-telegram-bot", "openai")


def read(file: Path) -> list[tuple[str, Row]]:
    """(command, row) in the order measured."""
    told = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [(one.pop("command"), Row(**one)) for one in told]


def write(
    rows: Sequence[tuple[str, Row]], *, quick: bool, seconds: float, failed: Sequence[str] = (), folder: Path = HERE
) -> None:
    """`failed` are the benchmarks that did not come to their end, and why."""
    plots = draw([row for _, row in rows], folder)
    lines = ["# What was measured", "", *_machine(quick, seconds), ""]
    lines += ["| figure | measured | goal | control in the same run | ratio | command |"]
    lines += ["| --- | ---: | ---: | --- | ---: | --- |"]
    lines += [f"| {' | '.join(cells(row))} | `{command}` |" for command, row in rows]
    lines += ["", verdict(rows, failed), ""]
    lines += [f"![{title}]({name})" for title, name in plots.items()]
    (folder / "report.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


def verdict(rows: Sequence[tuple[str, Row]], failed: Sequence[str]) -> str:
    aimed = [row for _, row in rows if row.goals]
    missed = [row.name for row in aimed if not row.met]
    told = f"Goals met in this run: {len(aimed) - len(missed)} of {len(aimed)}. Missed: {'; '.join(missed) or 'none'}."
    return told + (f"\n\nNot measured to the end: {'; '.join(failed)}." if failed else "")


def draw(rows: Iterable[Row], folder: Path) -> Mapping[str, str]:
    """One SVG a plot, title to file name."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "memorychat"
    from matplotlib import pyplot

    points: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.plot:
            points[row.plot].append(row)
    files = {}
    for title, measured in points.items():
        measured.sort(key=lambda row: row.x)
        figure, axes = pyplot.subplots(figsize=(7, 4))
        axes.plot([row.x for row in measured], [row.value for row in measured], marker="o", label="MemoryChat")
        for row in measured:
            if row.control is not None:
                axes.plot([row.x], [row.control], marker="x", linestyle="", color="tab:red", label=row.control_name)
        axes.set(xscale="log", ylim=(0, None), xlabel=title.partition(" against ")[2], ylabel=measured[0].unit)
        axes.set_title(title)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        files[title] = f"{title.lower().replace(' ', '-')}.svg"
        figure.savefig(folder / files[title], bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
    return files


def _machine(quick: bool, seconds: float) -> list[str]:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {found.stdout.strip() or 'unknown'}, `make bench`"
        f"{' QUICK=1 (a look only: fewer rounds, smaller crowds)' if quick else ''}, {seconds / 60:.0f} minutes",
        f"- {os.cpu_count()} CPUs of {_processor()}, {platform.system()}, Python {platform.python_version()}; load "
        f"average at the end {os.getloadavg()[1]:.1f}",
        "- " + ", ".join(f"{name} {version(name)}" for name in (*LIBRARIES, *(("spacy",) if has_extras() else ()))),
        "- mem0 has our embedder everywhere, so that only the memory differs; its BM25 weights are worked out by "
        "fastembed's formula, since fastembed downloads them"
        + ("" if has_extras() else "; spaCy is not installed, `make bench` does"),
        f"- seeds of the generated talk: {', '.join(f'{name} {seed}' for name, seed in TALK_SEEDS.items())} "
        f"({len(SLOTS)} word lists); every other input is fixed",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
