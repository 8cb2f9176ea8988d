"""The walk through parsed Markdown that the dialects share: blocks, containers, white space between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

from adapters.markdown.parse import LINE_END, info, parse
from adapters.markdown.tables import Table


class Layout:
    """Writes a document; a dialect overrides how text, marks and blocks look. One object renders one document.

    Blank lines are kept where the author set them, one at most.
    """

    bullet = "- "
    rule = "────────"
    verbatim_outside = False
    """Code and tables begin at the left edge, outside the items and quotes that hold them."""

    def __init__(self, markdown: str) -> None:
        self._source = markdown
        self._lines: list[str] = []
        self._out: list[str] = []
        self._prefixes: list[str] = []
        self._fresh = True
        """Nothing was written yet since the document, item or quote began."""
        self._line_start = True
        self._open: Counter[str] = Counter()
        self._links: list[tuple[str, int]] = []
        self._blocks: dict[str, Callable[[Token], None]] = {
            "paragraph_open": self._start,
            "inline": self._inline,
            "heading_open": self._on_heading,
            "heading_close": lambda token: self.end_heading(),
            "fence": self._on_code,
            "code_block": self._on_code,
            "hr": self._on_rule,
            "blockquote_open": self._on_quote,
            "blockquote_close": self._on_quote_end,
            "list_item_open": self._on_item,
            "list_item_close": self._on_item_end,
        }

    def run(self) -> str:
        """The whole text."""
        tokens = parse(self._source)
        if tokens is None:
            self.text(self._source)
        else:
            self._lines = LINE_END.split(self._source)
            self._walk(tokens)
        return "".join(self._out)

    # What a dialect may override.

    def text(self, text: str) -> None:
        """Visible words."""
        self.write(text)

    def code(self, code: str) -> None:
        """Inline code."""
        self.write(code)

    def begin(self, kind: str) -> None:
        """Of `strong`, `em` or `s`; never within one of the same kind."""

    def end(self, kind: str) -> None:
        """As `begin`."""

    def begin_heading(self, level: int) -> None:
        """Levels from 1 to 6."""

    def end_heading(self) -> None: ...

    def begin_quote(self) -> None:
        self.write("> ")
        self._prefixes.append("> ")

    def end_quote(self) -> None:
        self._prefixes.pop()

    def end_link(self, url: str, start: int) -> None:
        """`start` is where the label begins in what was put down."""
        label = self.since(start)
        if url not in ("", label, f"mailto:{label}"):
            self.write(f" ({url})" if label else url)

    def block_code(self, code: str, language: str) -> None:
        self.write(code)

    def table(self, table: Table) -> None:
        if table.is_narrow:
            self.block_code(table.aligned(), "")
            return
        for number, record in enumerate(table.records()):
            self.write("\n\n" if number else "")
            for position, (name, cell) in enumerate(record):
                self.write("\n" if position else "")
                self._field(name, cell)

    def _field(self, name: str, cell: str) -> None:
        if name:
            self.begin("strong")
            self.text(name)
            self.end("strong")
            self.write(": ")
        self.text(cell)

    # The pen.

    def write(self, text: str) -> None:
        """Puts text down; further lines begin as their containers ask for."""
        if text:
            first, *rest = text.split("\n")
            self.put(first)
            if rest:
                prefix = "".join(self._prefixes)
                blank = prefix.rstrip()
                self.put("".join(f"\n{prefix}{line}" if line else f"\n{blank}" for line in rest[:-1]))
                self.put(f"\n{prefix}{rest[-1]}")
            self._fresh = False
            self._line_start = text.endswith("\n")

    def put(self, text: str) -> None:
        """Puts text down exactly."""
        self._out.append(text)

    def since(self, start: int) -> str:
        """What was put down from `start` on."""
        return "".join(self._out[start:])

    @property
    def at_line_start(self) -> bool:
        """Whether the next word is the first one of a line, behind the marks of items and quotes."""
        return self._line_start

    # The walk.

    def _walk(self, tokens: Sequence[Token]) -> None:
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token.type == "table_open":
                end = next(i for i in range(position, len(tokens)) if tokens[i].type == "table_close")
                self._verbatim(token, partial(self.table, self._table(tokens[position:end])))
                position = end
            elif token.type in self._blocks:
                self._blocks[token.type](token)
            position += 1

    def _start(self, token: Token) -> None:
        """Begin a block below what is there."""
        if not self._fresh and token.map is not None:
            above = self._lines[token.map[0] - 1] if token.map[0] else ""
            self.write("\n" if above.strip(" \t\r>") else "\n\n")
        self._line_start = True

    def _on_heading(self, token: Token) -> None:
        self._start(token)
        self.begin_heading(int(token.tag[1:]))

    def _on_code(self, token: Token) -> None:
        language, title = info(token.info) if token.content.strip() else ("", token.info.strip())
        code = f"{title}\n{token.content}" if title else token.content
        self._verbatim(token, partial(self.block_code, code.removesuffix("\n"), language))

    def _verbatim(self, token: Token, put: Callable[[], None]) -> None:
        prefixes = self._prefixes
        if self.verbatim_outside and prefixes:
            self._prefixes = []
            if self._fresh:
                self.write("\n")
                self._fresh = True
        self._start(token)
        put()
        self._prefixes = prefixes
        self._fresh = False

    def _on_rule(self, token: Token) -> None:
        self._start(token)
        self.write(self.rule)

    def _on_quote(self, token: Token) -> None:
        self._start(token)
        self.begin_quote()
        self._fresh = self._line_start = True

    def _on_quote_end(self, _token: Token) -> None:
        self.end_quote()
        self._fresh = False

    def _on_item(self, token: Token) -> None:
        self._start(token)
        marker = f"{token.info}. " if token.info else self.bullet
        self.write(marker)
        self._prefixes.append(" " * len(marker))
        self._fresh = self._line_start = True

    def _on_item_end(self, _token: Token) -> None:
        self._prefixes.pop()
        self._fresh = False

    def _inline(self, token: Token) -> None:
        for child in token.children or ():
            self._inline_token(child)

    def _inline_token(self, token: Token) -> None:
        match token.type:
            case "text":
                self.text(token.content)
            case "code_inline":
                self.code(token.content)
            case "softbreak" | "hardbreak":
                self.write("\n")
            case "image":
                self._image(token)
            case "link_open":
                self._links.append((str(token.attrGet("href") or ""), len(self._out)))
            case "link_close":
                self.end_link(*self._links.pop())
            case _:
                self._mark(*token.type.rsplit("_", 1))

    def _mark(self, kind: str, side: str) -> None:
        if side == "open":
            self._open[kind] += 1
            if self._open[kind] == 1:
                self.begin(kind)
        else:
            self._open[kind] -= 1
            if not self._open[kind]:
                self.end(kind)

    def _image(self, token: Token) -> None:
        """A link to the picture: no platform shows it in the text. Within another link its address stands in words."""
        url, start = str(token.attrGet("src") or ""), len(self._out)
        self.text(_words(token))
        if self._links:
            Layout.end_link(self, url, start)
        else:
            self.end_link(url, start)

    def _table(self, tokens: Sequence[Token]) -> Table:
        rows: list[list[str]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
                line = token.map[0] if token.map else -1
            elif token.type == "inline":
                rows[-1].append(_words(token))
            elif token.type == "tr_close" and len(rows) > 1:
                rows[-1] += self._excess_cells(line, len(rows[0]))
        return Table(rows)

    def _excess_cells(self, line: int, columns: int) -> list[str]:
        """Cells beyond the header's, which a GFM table does not show."""
        cells = escapedSplit(self._lines[line].strip(" \t>").removeprefix("|").removesuffix("|")) if line >= 0 else []
        return [cell.strip() for cell in cells[columns:]]


def _words(token: Token) -> str:
    """What an inline token says, on one line and without marks: for the cells of a table and the names of pictures."""
    line = Layout("")
    line._inline(token)
    return "".join(line._out).replace("\n", " ")
