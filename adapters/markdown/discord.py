"""Discord's dialect, which is not quite Markdown: no tables, pictures, HTML or entities, three levels of headings, and
`__` underlines. A reply may not ping anybody (the adapter sends `AllowedMentions.none()` as well).

Source: https://support.discord.com/hc/articles/210298617 and how the client reads escapes, code and links.
"""

from __future__ import annotations

import re

from adapters.markdown.layout import Layout
from core.text import split_text

LIMIT = 2_000

_ZERO_WIDTH = "\u200b"
_MENTION = re.compile(r"@(?=(?:everyone|here)\b)|(?<=<)@(?=[!&]?\d)", re.IGNORECASE)
_ADDRESS = re.compile(r"(https?://[^\s<>]*)")
_MARK = re.compile(r"[\\*_`]|~(?=~)|\|(?=\|)|\[(?=[^\]]*\]\()|<(?=[@#:/]|[at]:)")
_LINE_MARK = re.compile(r"(?P<digits>\d+)(?=[.)](?:\s|$))|(?:#{1,3}|-#|[-+])(?=\s|$)|>")
_MARKS = {"strong": "**", "em": "*", "s": "~~"}


def render(markdown: str) -> str:
    rendered = _Discord(markdown).run().strip("\n")
    return _MENTION.sub(lambda match: match[0] + _ZERO_WIDTH, rendered)


def split(markdown: str, limit: int = LIMIT) -> list[str]:
    """`limit` in UTF-16 units, never fewer than what Discord counts. `[]` for a blank text."""
    return split_text(render(markdown), limit, _units)


class _Discord(Layout):
    verbatim_outside = True

    def text(self, text: str) -> None:
        parts = _ADDRESS.split(text)  # an escape within an address would break it
        parts[::2] = [_MARK.sub(r"\\\g<0>", part) for part in parts[::2]]
        escaped = "".join(parts)
        self.write(_escape_line_mark(escaped) if self.at_line_start else escaped)

    def code(self, code: str) -> None:
        runs = set(map(len, re.findall("`+", code)))
        size = next((size for size in (1, 2) if size not in runs), 0)
        if not size:  # three would open a block
            self.text(code)
            return
        blank = " " if "`" in (code[:1], code[-1:]) else ""
        self.write(f"{'`' * size}{blank}{code}{blank}{'`' * size}")

    def begin(self, kind: str) -> None:
        self.write(_MARKS[kind])

    end = begin

    def begin_heading(self, level: int) -> None:
        self.write("#" * min(level, 3) + " ")

    def begin_quote(self) -> None:
        if "> " not in self._prefixes:  # Discord has one level
            super().begin_quote()
        else:
            self._prefixes.append("")

    def end_link(self, url: str, start: int) -> None:
        label = self.since(start)
        if _ADDRESS.fullmatch(url) and label not in ("", url):
            address = url.replace("(", "%28").replace(")", "%29")
            self._out[start:] = [f"[{label}]({address})"]
        else:
            super().end_link(url, start)

    def block_code(self, code: str, language: str) -> None:
        if code.strip():
            inner = code.replace("```", _ZERO_WIDTH.join("```"))
            self.write(f"```{language}\n{inner}\n```")


def _escape_line_mark(text: str) -> str:
    mark = _LINE_MARK.match(text)
    if mark is None:
        return text
    digits = mark["digits"] or ""
    return f"{digits}\\{text[len(digits) :]}"


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
