"""Cutting Markdown into messages of a platform's size."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

Length = Callable[[str], int]

_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})([^\n]*)$")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’)\]*_]*\s|[。！？]""")
_ZWJ = "\u200d"


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open code block: how its opening line read."""

    indent: str
    marker: str
    info: str

    @property
    def closing(self) -> str:
        return f"\n{self.indent}{self.marker}"

    def opening(self, info: str) -> str:
        return f"{self.indent}{self.marker}{info}\n"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """What is left of the text: inside which fence it starts, and whether in the middle of a line."""

    rest: str
    fence: _Fence | None = None
    mid_line: bool = False


def split_text(markdown: str, limit: int, length: Length = len) -> list[str]:
    """Pieces of at most `limit`, in order, together the whole text; `[]` for a blank one.

    Cut at paragraphs, else lines, sentences, words, at last between characters, and never inside a surrogate pair, a
    combining or a joined (ZWJ) sequence unless that alone exceeds `limit`. Only white space at a cut is lost. A code
    fence that is cut is closed and opened again with its language, unless its lines would take half of the limit.

    `length` measures in the platform's unit (UTF-16 units for Telegram); it must not shrink as text grows.

    Raises:
        ValueError: a limit below 4, which might not hold one character.
    """
    if limit < 4:
        raise ValueError("limit below 4")
    if not markdown.strip():
        return []
    pieces: list[str] = []
    cursor: _Cursor | None = _Cursor(markdown)
    while cursor is not None:
        piece, cursor = _take(cursor, limit, length)
        if piece.strip():
            pieces.append(piece)
    return pieces


def _take(cursor: _Cursor, limit: int, length: Length) -> tuple[str, _Cursor | None]:
    """The next piece and what is left after it."""
    head = _reopening(cursor.fence, limit, length)
    if length(head + cursor.rest) <= limit:
        return head + cursor.rest, None
    upper = _fitting(head, cursor.rest, limit, length)
    while True:
        cut = _best_cut(cursor, upper)
        fence = _fence_at(cursor, cut)
        tail = fence.closing if fence and _reopening(fence, limit, length) else ""
        body = cursor.rest[:cut]
        piece = head + (body.removesuffix("\n") if fence else body.rstrip()) + tail
        if length(piece) <= limit:
            return piece, _after(cursor.rest, cut, fence)
        upper = max(1, cut - max(1, len(tail)))
        if upper == 1 and cut == 1:
            return head + body, _after(cursor.rest, cut, fence)


def _after(rest: str, cut: int, fence: _Fence | None) -> _Cursor | None:
    """The text behind a cut, without the white space that stood there (in a fence: without the one line end)."""
    mid_line = rest[cut - 1] != "\n" and rest[cut : cut + 1] != "\n"
    if fence:
        left = rest[cut:] if rest[cut - 1] == "\n" else rest[cut:].removeprefix("\n")
    else:
        left = rest[cut:].lstrip(" \t") if mid_line else rest[cut:].lstrip("\n")
    return _Cursor(left, fence, mid_line) if left.strip() else None


def _reopening(fence: _Fence | None, limit: int, length: Length) -> str:
    """The line that opens a cut fence again; `''` where there is none or it would take too much room."""
    if fence is None:
        return ""
    for opening in (fence.opening(fence.info), fence.opening("")):
        if length(opening + fence.closing) <= limit // 2:
            return opening
    return ""


def _fitting(head: str, rest: str, limit: int, length: Length) -> int:
    """How many characters of `rest` fit behind `head`, at least 1. `length` is only assumed not to shrink."""
    high = limit
    while high < len(rest) and length(head + rest[:high]) <= limit:
        high *= 2
    low, high = 1, min(high, len(rest))
    while low < high:
        middle = (low + high + 1) // 2
        if length(head + rest[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _fence_at(cursor: _Cursor, cut: int) -> _Fence | None:
    """The fence that is open at `cut`. The line that `cut` is in counts when it ends there."""
    fence = cursor.fence
    lines = cursor.rest[:cut].split("\n")
    if cursor.rest[cut : cut + 1] not in ("", "\n"):
        lines.pop()
    for number, line in enumerate(lines):
        if number or not cursor.mid_line:
            fence = _step(fence, line)
    return fence


def _step(fence: _Fence | None, line: str) -> _Fence | None:
    """The open fence after one line (CommonMark 0.31, 4.5; indented by any width, because lists hold fences too)."""
    match = _FENCE.match(line)
    if not match:
        return fence
    indent, marker, info = match.groups()
    if fence is None:
        return None if marker[0] == "`" and "`" in info else _Fence(indent, marker, info.rstrip())
    closes = marker[0] == fence.marker[0] and len(marker) >= len(fence.marker) and not info.strip()
    return None if closes else fence


def _best_cut(cursor: _Cursor, upper: int) -> int:
    """Where to cut within the first `upper` characters: the best kind of place that does not waste half the room."""
    window = cursor.rest[: upper + 1]
    opening = _opening_line(cursor, upper)
    places = (
        (opening, 2) if opening > 0 else (0, 2),
        (window.rfind("\n\n", 0, upper + 1) if not _fence_at(cursor, upper) else 0, 2),
        (window.rfind("\n", 0, upper + 1), 2),
        (max((m.end() for m in _SENTENCE_END.finditer(window) if m.end() <= upper), default=0), 2),
        (max(window.rfind(" ", 0, upper + 1), window.rfind("\n", 0, upper + 1)), 20),
    )
    for place, share in places:
        if place > 0 and place * share >= upper:
            return place
    return safe_cut(cursor.rest, upper)


def _opening_line(cursor: _Cursor, upper: int) -> int:
    """Where the line starts that opens the fence cut at `upper`; 0 when there is none or more than it is inside."""
    last = cursor.rest.rfind("\n", 0, upper) + 1
    line_before = cursor.rest.rfind("\n", 0, max(0, last - 1)) + 1
    for start in (last, line_before):
        end = cursor.rest.find("\n", start)
        line = cursor.rest[start : end if end >= 0 else len(cursor.rest)]
        if start and _FENCE.match(line) and _fence_at(cursor, start) is None:
            return start
    return 0


def safe_cut(text: str, cut: int) -> int:
    """The nearest place at or before `cut` that is not inside what a reader sees as one character or a run of
    backticks; `cut` itself when there is none within 64 characters."""
    for place in range(cut, max(0, cut - 64), -1):
        if not _is_inside(text, place):
            return place
    return cut


def _is_inside(text: str, place: int) -> bool:
    """Whether the characters on both sides of `place` belong together (the common rules of Unicode UAX 29)."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if before == _ZWJ or _continues(after):
        return True
    if _is_flag_half(before) and _is_flag_half(after):
        start = place
        while start and _is_flag_half(text[start - 1]):
            start -= 1
        return (place - start) % 2 == 1
    return (before == after == "`") or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _continues(ch: str) -> bool:
    joins = (
        ch == _ZWJ
        or "\U0001f3fb" <= ch <= "\U0001f3ff"
        or "\U000e0020" <= ch <= "\U000e007f"
        or "\u1160" <= ch <= "\u11ff"
    )
    return joins or unicodedata.category(ch)[0] == "M"


def _is_flag_half(ch: str) -> bool:
    return "\U0001f1e6" <= ch <= "\U0001f1ff"
