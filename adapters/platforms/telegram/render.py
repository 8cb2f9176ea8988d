"""A reply → the messages that Telegram gets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity
from telegramify_markdown import RenderConfig, convert

from adapters.platforms.telegram.config import CAPABILITIES
from core.messages import Button, Reply

MAYBE_DUPLICATE = "(may be a duplicate)"
MAX_ENTITIES = 100
MAX_CALLBACK = 64
"""Bytes of callback_data; the SDK does not check them."""

_CONFIG = RenderConfig.isolated()


@dataclass(frozen=True, slots=True)
class Part:
    """One message: its text, how it looks (offsets in UTF-16 units), and the buttons under it."""

    text: str
    entities: tuple[MessageEntity, ...] = ()
    keyboard: InlineKeyboardMarkup | None = None

    @property
    def units(self) -> int:
        return utf16_units(self.text)


def render(reply: Reply) -> list[Part]:
    """The parts of a reply, none for an empty one: badge and label as a small last line, buttons under the last."""
    parts = render_text(reply.text)
    footer = " ".join(line for line in (MAYBE_DUPLICATE if reply.maybe_duplicate else "", reply.badge) if line)
    if footer and parts:
        parts = _with_footer(parts, footer)
    if parts and reply.buttons:
        parts[-1] = replace(parts[-1], keyboard=keyboard_of(reply.buttons))
    return parts


def render_text(markdown: str) -> list[Part]:
    """Canonical Markdown as messages of at most 4,096 UTF-16 units each."""
    text, marks = convert(_from_units(markdown), config=_CONFIG)
    if not text.strip():
        return []
    entities = [MessageEntity(**mark.to_dict()) for mark in marks]
    return _split(_to_units(text), entities, CAPABILITIES.max_characters)


def _split(units: str, entities: Sequence[MessageEntity], limit: int) -> list[Part]:
    """At the end of a paragraph, line, sentence or word; what spans the cut looks the same on both sides."""
    parts, start = [], 0
    while start < len(units):
        end = len(units) if len(units) - start <= limit else _cut(units, start, limit)
        piece = units[start:end]
        left = start + len(piece) - len(piece.lstrip("\n"))
        right = start + len(piece.rstrip())
        if left < right:
            parts.append(Part(_from_units(units[left:right]), _clipped(entities, left, right)))
        start = end
    return parts


def _cut(units: str, start: int, limit: int) -> int:
    for end_of in ("\n\n", "\n", ". ", " "):
        found = units.rfind(end_of, start + limit // 2, start + limit)
        if found >= 0:
            return found + len(end_of)
    return start + limit - ("\ud800" <= units[start + limit - 1] <= "\udbff")


def _clipped(entities: Sequence[MessageEntity], left: int, right: int) -> tuple[MessageEntity, ...]:
    kept = []
    for entity in entities:
        begin, end = max(entity.offset, left), min(entity.offset + entity.length, right)
        if begin < end:
            kept.append(MessageEntity(**(entity.to_dict() | {"offset": begin - left, "length": end - begin})))
    return tuple(kept[:MAX_ENTITIES])


def _to_units(text: str) -> str:
    """One character per UTF-16 unit, which is what Telegram counts."""
    if text.isascii():
        return text
    return "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))


def _from_units(units: str) -> str:
    """A lone surrogate, which no encoder takes, becomes a question mark in a diamond."""
    return units if units.isascii() else units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def keyboard_of(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    """Two in a row; a command that Telegram would not carry has no button (it can be typed)."""
    keys = [
        InlineKeyboardButton(f"⚠ {button.label}" if button.danger else button.label, callback_data=button.command)
        for button in buttons
        if 0 < len(button.command.encode()) <= MAX_CALLBACK
    ]
    return InlineKeyboardMarkup([keys[start : start + 2] for start in range(0, len(keys), 2)]) if keys else None


def utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _with_footer(parts: list[Part], footer: str) -> list[Part]:
    last = parts[-1]
    line = f"\n\n{footer}"
    if last.units + utf16_units(line) > CAPABILITIES.max_characters:
        return [*parts, _small(Part(""), footer)]
    return [*parts[:-1], _small(replace(last, text=last.text + "\n\n"), footer)]


def _small(part: Part, footer: str) -> Part:
    entity = MessageEntity(MessageEntity.ITALIC, offset=part.units, length=utf16_units(footer))
    return replace(part, text=part.text + footer, entities=(*part.entities, entity))
