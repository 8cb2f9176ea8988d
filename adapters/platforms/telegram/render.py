"""A reply → the messages that Telegram gets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity

from adapters.markdown.telegram import LIMIT, MAX_ENTITIES, split, units
from core.messages import Button, Reply

MAYBE_DUPLICATE = "(may be a duplicate)"
MAX_CALLBACK = 64
"""Bytes of callback_data; the SDK does not check them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message: its text, how it looks (offsets in UTF-16 units), and the buttons under it."""

    text: str
    entities: tuple[MessageEntity, ...] = ()
    keyboard: InlineKeyboardMarkup | None = None


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
    """Canonical Markdown as messages that Telegram takes."""
    return [
        Part(
            piece.text,
            tuple(
                MessageEntity(mark.type, mark.offset, mark.length, url=mark.url, language=mark.language)
                for mark in piece.entities
            ),
        )
        for piece in split(_encodable(markdown))
    ]


def keyboard_of(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    """Two in a row; a command that Telegram would not carry has no button (it can be typed)."""
    keys = [
        InlineKeyboardButton(f"⚠ {button.label}" if button.danger else button.label, callback_data=button.command)
        for button in buttons
        if 0 < len(button.command.encode()) <= MAX_CALLBACK
    ]
    return InlineKeyboardMarkup([keys[start : start + 2] for start in range(0, len(keys), 2)]) if keys else None


def _with_footer(parts: list[Part], footer: str) -> list[Part]:
    last = parts[-1]
    line = f"\n\n{footer}"
    if units(last.text + line) > LIMIT:
        return [*parts, _small(Part(""), footer)]
    return [*parts[:-1], _small(replace(last, text=last.text + "\n\n"), footer)]


def _small(part: Part, footer: str) -> Part:
    entity = MessageEntity(MessageEntity.ITALIC, offset=units(part.text), length=units(footer))
    return replace(part, text=part.text + footer, entities=(*part.entities[: MAX_ENTITIES - 1], entity))


def _encodable(text: str) -> str:
    """Lone surrogates, which no encoder takes, replaced."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
