"""Telegram's text and entities, sent without parse_mode, so that no text can be a mistake in markup.

Sources: https://core.telegram.org/bots/api#messageentity (nesting; offsets in UTF-16 units), and for what the server
makes of plain text (mentions outside code) https://github.com/tdlib/td, MessageEntity.cpp.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from adapters.markdown.layout import Layout
from core.splitting import safe_cut

LIMIT = 4_096
MAX_ENTITIES = 100

_ZERO_WIDTH = "\u200b"
_MENTION = re.compile(r"https?://\S+|(?<!\w)@(?=\w)")
_ADDRESS = re.compile(r"https?://[^\s/?#]+\.[^\s]+")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]]*\s|[。！？]""")
_TYPES = {"strong": "bold", "em": "italic", "s": "strikethrough"}


@dataclass(frozen=True, slots=True)
class Entity:
    """How a stretch of a text looks; `offset` and `length` in UTF-16 units, `type` as the Bot API names it."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TelegramText:
    text: str
    entities: tuple[Entity, ...] = ()


def render(markdown: str) -> TelegramText:
    """The whole text, of any length."""
    layout = _Telegram(markdown)
    text = layout.run()
    entities = sorted(layout.entities, key=lambda entity: (entity.offset, -entity.length))
    return _part(TelegramText(text, tuple(entities)), 0, len(text))


def split(markdown: str, limit: int = LIMIT, max_entities: int = MAX_ENTITIES) -> list[TelegramText]:
    """`limit` in UTF-16 units. What is cut looks the same on both sides. `[]` for a blank text."""
    whole = render(markdown)
    if not whole.text.strip():
        return []
    if len(whole.entities) <= max_entities and units(whole.text) <= limit:
        return [whole]
    offsets = _offsets(whole.text)
    parts: list[TelegramText] = []
    start = 0
    while start < len(whole.text):
        end = _fitting(whole, offsets, start, limit, max_entities)
        cut = end if end == len(whole.text) else _best_cut(whole.text, start, end)
        part = _part(whole, start, cut)
        if part.text.strip():
            # More can be left only where they all lie on one character: the outermost count.
            parts.append(replace(part, entities=part.entities[:max_entities]))
        start = cut
    return parts


def units(text: str) -> int:
    """Telegram's length of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Telegram(Layout):
    bullet = "• "
    verbatim_outside = True

    def __init__(self, markdown: str) -> None:
        super().__init__(markdown)
        self.entities: list[Entity] = []
        self._offset = 0
        self._starts: dict[str, int] = {}
        self._quotes = 0

    def put(self, text: str) -> None:
        super().put(text)
        self._offset += units(text)

    def text(self, text: str) -> None:
        self.write(_MENTION.sub(lambda match: "@" + _ZERO_WIDTH if match[0] == "@" else match[0], text))

    def code(self, code: str) -> None:
        start = self._offset
        self.write(code)
        self._mark_from(start, "code")

    def begin(self, kind: str) -> None:
        self._starts[kind] = self._offset

    def end(self, kind: str) -> None:
        self._mark_from(self._starts[kind], _TYPES[kind])

    def begin_heading(self, level: int) -> None:
        self._starts["heading"] = self._offset

    def end_heading(self) -> None:
        self._mark_from(self._starts["heading"], "bold")

    def begin_quote(self) -> None:
        """Only the outermost one: quotes within quotes are not allowed."""
        if not self._quotes:
            self._starts["quote"] = self._offset
        self._quotes += 1

    def end_quote(self) -> None:
        self._quotes -= 1
        if not self._quotes:
            self._mark_from(self._starts["quote"], "blockquote")

    def end_link(self, url: str, start: int) -> None:
        label = self.since(start)
        # Others than web addresses, and those without a domain, are refused by the server; `tg://user?id=` would ping.
        if _ADDRESS.match(url) and label not in ("", url):
            self._mark_from(self._offset - units(label), "text_link", url=url)
        else:
            super().end_link(url, start)

    def block_code(self, code: str, language: str) -> None:
        start = self._offset
        self.write(code)
        self._mark_from(start, "pre", language=language or None)

    def _mark_from(self, start: int, kind: str, *, url: str | None = None, language: str | None = None) -> None:
        if self._offset > start:
            self.entities.append(Entity(kind, start, self._offset - start, url, language))


def _offsets(text: str) -> list[int]:
    """Where each character begins, and the end, in UTF-16 units."""
    return [0, *accumulate(2 if char > "\uffff" else 1 for char in text)]


def _fitting(whole: TelegramText, offsets: Sequence[int], start: int, limit: int, max_entities: int) -> int:
    """The end of the longest part that keeps to both limits; at least one character."""
    first = offsets[start]
    reaching = [entity for entity in whole.entities if entity.offset + entity.length > first]
    end = first + limit
    if len(reaching) > max_entities:
        end = min(end, max(reaching[max_entities].offset, first + 1))
    return max(bisect_right(offsets, end) - 1, start + 1)


def _best_cut(text: str, start: int, end: int) -> int:
    """At a paragraph, line, sentence or word that does not waste half of the room, else between two characters."""
    least = start + (end - start) // 2
    sentences = [match.end() for match in _SENTENCE_END.finditer(text, least, end)]
    for cut in (text.rfind("\n\n", least, end), text.rfind("\n", least, end), *sentences[-1:]):
        if cut > start:
            return cut
    word = max(text.rfind(blank, start + 1, end) for blank in (" ", "\n", "\t"))
    return word + 1 if word > start else max(safe_cut(text[start : end + 64], end - start) + start, start + 1)


def _part(whole: TelegramText, start: int, end: int) -> TelegramText:
    """From `start` to `end` in characters, without line ends before and white space behind."""
    piece = whole.text[start:end]
    kept = piece.strip("\n").rstrip()
    left = units(whole.text[: start + len(piece) - len(piece.lstrip("\n"))])
    right = left + units(kept)
    entities = (
        replace(
            entity,
            offset=max(entity.offset, left) - left,
            length=min(entity.offset + entity.length, right) - max(entity.offset, left),
        )
        for entity in whole.entities
        if entity.offset < right and entity.offset + entity.length > left
    )
    return TelegramText(kept, tuple(entities))
