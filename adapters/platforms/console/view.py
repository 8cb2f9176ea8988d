"""How a reply looks on a terminal: Markdown that grows, a spinner before it, quiet colours that suit light and dark."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Heading, HorizontalRule, Markdown, MarkdownElement
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text
from rich.theme import Theme

from adapters.platforms.console.translate import lines_of, markdown_of, printable
from core.messages import Reply, ReplyKind

# Only the terminal's own colours, and none that vanishes on a white or a black background.
THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "bold dim",
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.block_quote": "dim",
        "markdown.item.bullet": "dim",
        "markdown.item.number": "dim",
        "markdown.link": "underline",
        "markdown.link_url": "dim underline",
        "markdown.hr": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)
MARGIN = (0, 2)
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"
FEW_BUTTONS = 2
REFRESH = 0.1
"""Seconds between two frames."""

_PARSER = MarkdownIt().enable("table").enable("strikethrough")


class _Heading(Heading):
    """At the left and without a box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class _Rule(HorizontalRule):
    """A line where the terminal has one."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Rule(
            style=console.get_style("markdown.hr", default="none"), characters="-" if options.ascii_only else "─"
        )


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "hr": _Rule,
    }

    def __init__(self, text: str) -> None:
        super().__init__(text, code_theme="ansi_light", hyperlinks=False)


def blocks_of(text: str) -> list[str]:
    """The top-level blocks of Markdown; joined they are the text. Of growing text all but the last are final."""
    tokens = _PARSER.parse(text)
    starts = [token.map[0] for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    lines = text.splitlines(keepends=True)
    edges = [0, *starts[1:], len(lines)]
    return ["".join(lines[edge:following]) for edge, following in pairwise(edges)]


class ReplyView:
    """One reply from the first spinner frame to its end. Nothing in it blocks but writing to the terminal."""

    def __init__(self, console: Console, hint: str = "") -> None:
        self._console = console
        self._hint = hint
        self._began = time.monotonic()
        self._text = ""
        self._printed = 0
        self._live: Live | None = None

    def begin(self) -> None:
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
            redirect_stderr=False,
        )
        self._live.start()

    def refresh(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def grow(self, text: str) -> None:
        """Print the blocks that are complete and keep the last one moving."""
        self._text = printable(text).lstrip("\n")
        for block in blocks_of(self._text[self._printed :])[:-1]:
            self._print(block)
            self._printed += len(block)
        self.refresh()

    def end(self) -> None:
        """Take the moving part away, keeping what it showed."""
        if self._live is None:
            return
        live, self._live = self._live, None
        live.stop()
        self._print(self._text[self._printed :])

    def finish(self, reply: Reply, saved: Sequence[str]) -> None:
        """Put the reply into its final form: what is settled stays, the rest is printed for good."""
        text = markdown_of(reply)
        if not text.startswith(self._text[: self._printed]):
            self._printed = 0  # it does not go on from what was shown, so it is shown whole
        self._text = ""
        rest, self._printed = text[self._printed :], 0
        self.end()
        self._print(rest, _style_of(reply.kind))
        for line in [*_offers(reply), *(f"saved as {path}" for path in saved)]:
            self._console.print(Padding(Text(line, style="dim"), MARGIN))
        if reply.buttons or saved:
            self._console.print()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Only the end of a block that is higher than the window can be redrawn.
        lines = self._rendered(self._text[self._printed :], options)[-(options.size.height - 4) :]
        if lines:
            yield Segments(_joined(lines))
        yield self._spinner(console)

    def _spinner(self, console: Console) -> Text:
        seconds = int(time.monotonic() - self._began)
        frames = FRAMES if console.encoding.lower().startswith("utf") else PLAIN_FRAMES
        frame = frames[int(time.monotonic() / REFRESH) % len(frames)]
        hint = f"  {self._hint}" if self._hint and seconds >= 2 else ""
        return Text(f"  {frame} {seconds} s{hint}", style=Style(dim=True))

    def _print(self, text: str, style: str = "") -> None:
        for block in blocks_of(text):
            if lines := self._rendered(block, self._console.options, style):
                self._console.print(Segments(_joined(lines)), end="")

    def _rendered(self, text: str, options: ConsoleOptions, style: str = "") -> list[list[Segment]]:
        """A block's lines, without the blank ones that rich puts around some kinds of block."""
        look = self._console.get_style(style) if style else None
        lines = self._console.render_lines(Padding(_Markdown(text), MARGIN), options, style=look, pad=False)
        shown = [number for number, line in enumerate(lines) if any(segment.text.strip() for segment in line)]
        return lines[shown[0] : shown[-1] + 1] if shown else []


def _offers(reply: Reply) -> list[str]:
    """One button for each entry of a list would repeat the list: the prompt's completion has them all."""
    if len(reply.buttons) <= FEW_BUTTONS:
        return lines_of(reply.buttons)
    labels = " · ".join(printable(button.label) for button in reply.buttons)
    return [f"/ offers: {labels}"]


def _joined(lines: list[list[Segment]]) -> list[Segment]:
    """Lines with their ends, and a blank one below."""
    return [segment for line in [*lines, []] for segment in (*line, Segment.line())]


def _style_of(kind: ReplyKind) -> str:
    return {ReplyKind.ERROR: "red", ReplyKind.NOTICE: "dim"}.get(kind, "")
