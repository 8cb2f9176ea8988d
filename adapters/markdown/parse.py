"""Markdown as markdown-it-py reads it, set up so that no text is lost.

Raw HTML and link definitions are kept as text (both rules are off), marks within bare web addresses are left alone, and
what the parser would not follow to its end is not parsed at all.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

NESTING = 40
"""Blocks within blocks. The parser recurses for each, so that it stays far from Python's limit."""

COLUMNS = 100
"""Of a table. The parser fills every row up to the header's width, at a cost that grows with the product."""

LINE_END = re.compile(r"\r\n?|\n")

_LANGUAGE = re.compile(r"[\w+.#-]{0,30}", re.ASCII)

_ADDRESS = re.compile(r"://[^\s<>]*[^\s<>*_~.,:;!?\"')\]]")
_SCHEME = re.compile(r"\bhttps?$", re.IGNORECASE)


def _bare_address(state: StateInline, silent: bool) -> bool:
    """A rule for the parser: marks within a bare web address are part of it, as on GitHub."""
    found = _ADDRESS.match(state.src, state.pos) if _SCHEME.search(state.pending[-6:]) else None
    if found is None:
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


_PARSER = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING})
    .enable(["table", "strikethrough"])
    .disable("reference")
)
_PARSER.inline.ruler.before("escape", "bare_address", _bare_address)


def parse(markdown: str) -> list[Token] | None:
    """None where the parser would give up and drop what it did not read, or would need seconds."""
    if any(line.count("|") > COLUMNS for line in markdown.split("\n")):
        return None
    tokens = _PARSER.parse(markdown)
    return None if any(token.level >= NESTING - 1 for token in tokens) else tokens


def info(text: str) -> tuple[str, str]:
    """The language that a fence names, and whatever else stands behind the fence."""
    first, _, rest = text.strip().partition(" ")
    return (first, rest.strip()) if _LANGUAGE.fullmatch(first) else ("", text.strip())
