"""The readable form of what a dialect makes of a text: one file, with what cannot be seen spelled out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from adapters.markdown import discord, plain, slack, telegram

HERE = Path(__file__).parent


def _telegram(markdown: str) -> list[str]:
    return [f"{part.text}\n--- entities\n{_entities(part)}" for part in telegram.split(markdown)]


def _entities(part: telegram.TelegramText) -> str:
    data = part.text.encode("utf-16-le")
    lines = []
    for entity in part.entities:
        text = data[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")
        shown = text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}"
        extra = entity.url or entity.language
        lines.append(f"{entity.type}{f' ({extra})' if extra else ''}: {shown!r}")
    return "\n".join(lines)


DIALECTS: dict[str, Callable[[str], list[str]]] = {
    "slack": slack.split,
    "telegram": _telegram,
    "discord": discord.split,
    "plain": lambda markdown: [plain.render(markdown)],
}


def cases() -> Iterator[tuple[str, Path]]:
    for source in sorted((HERE / "source").glob("*.md")):
        for dialect in DIALECTS:
            yield dialect, source


def expected_file(dialect: str, source: Path) -> Path:
    return HERE / dialect / f"{source.stem}.txt"


def shown(dialect: str, source: Path) -> str:
    parts = DIALECTS[dialect](source.read_text("utf-8"))
    text = "\n=== next message\n".join(parts).replace("\u200b", "{zero width}")
    return f"{text}\n"
