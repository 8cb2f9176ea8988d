"""The face of a terminal: a prompt that shows profile and mode, replies that grow as they are written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style
from rich.console import Console
from rich.text import Text

from adapters.platforms.console.completion import Suggestion, suggestions
from adapters.platforms.console.face import PromptStatus, StatusProvider
from adapters.platforms.console.translate import INTERACTIVE, printable
from adapters.platforms.console.view import REFRESH, THEME, ReplyView
from core.capabilities import PlatformCapabilities
from core.messages import Button, Reply, ReplyKind
from core.types import PrivacyMode

if TYPE_CHECKING:
    from core.commands.model import Command

LEAVE = ("/quit", "/exit")
STYLE = Style.from_dict(
    {
        "normal": "ansicyan",
        "paused": "ansiyellow",
        "incognito": "ansimagenta",
        "arrow": "bold",
        "badge": "",
        "completion-menu": "bg:default fg:default",
        "completion-menu.completion": "bg:default fg:default",
        "completion-menu.completion.current": "reverse",
        "completion-menu.meta.completion": "bg:default fg:ansibrightblack",
        "completion-menu.meta.completion.current": "bg:default fg:default",
        "bottom-toolbar": "noreverse",
    }
)
_MODE_STYLE = {
    PrivacyMode.NORMAL: "class:normal",
    PrivacyMode.PAUSE_MEMORIES: "class:paused",
    PrivacyMode.INCOGNITO: "class:incognito",
}


class TerminalFace:
    """`history_file` None: arrow-up knows this run only. What is typed in incognito is in no file, and arrow-up forgets
    it with the mode. `greeting` is shown once, above the first prompt; its first line is the title."""

    def __init__(
        self,
        *,
        status: StatusProvider,
        commands: Callable[[], Sequence[Command]],
        history_file: Path | None,
        greeting: Sequence[str] = (),
        console: Console | None = None,
        terminal: tuple[Input, Output] | None = None,
    ) -> None:
        self._status_of = status
        self._console = console or Console(theme=THEME, highlight=False)
        self._console.push_theme(THEME)
        self._terminal = terminal
        self._commands = commands
        self._history_file = history_file
        self._greeting = greeting
        self._status = PromptStatus()
        self._buttons: tuple[Button, ...] = ()
        self._session: PromptSession[str] | None = None
        self._view: ReplyView | None = None

    @property
    def capabilities(self) -> PlatformCapabilities:
        return INTERACTIVE

    async def lines(self) -> AsyncIterator[str]:
        for number, text in enumerate(self._greeting):
            self._console.print(Text(printable(text), style="dim" if number else "bold"))
        self._console.print()
        while True:
            try:
                line = await self._prompt()
            except EOFError:
                return
            if line.strip().casefold() in LEAVE:
                return
            if line.strip():
                yield line

    @asynccontextmanager
    async def waiting(self, interrupt: Callable[[], None]) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, interrupt)
        self._console.print()
        self._view = ReplyView(self._console, "Ctrl-C stops it")
        self._view.begin()
        ticker = asyncio.create_task(self._tick(self._view))
        try:
            with keys_unseen():
                yield
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
            self._view.end()
            self._view = None
            loop.remove_signal_handler(signal.SIGINT)

    async def grow(self, text: str) -> None:
        if self._view is not None:
            self._view.grow(text)

    async def show(self, reply: Reply, saved: Sequence[str], *, late: bool) -> None:
        """A late reply is printed above the prompt, or above the one that is being made."""
        self._buttons = reply.buttons
        if self._view is not None and late:
            self._view.end()
            self._show_late(reply, saved)
            self._view.begin()
        elif self._view is not None:
            self._view.finish(reply, saved)
            if reply.kind is ReplyKind.NOTICE:
                self._view.begin()  # the reply itself is still to come
        elif self._session is not None and self._session.app.is_running:
            await run_in_terminal(lambda: self._show_late(reply, saved))
        else:
            self._show_late(reply, saved)

    def _show_late(self, reply: Reply, saved: Sequence[str]) -> None:
        if reply.kind is not ReplyKind.NOTICE:
            self._console.print(Text("  to an earlier message:\n", style="dim"))
        ReplyView(self._console).finish(reply, saved)

    async def problem(self, text: str) -> None:
        if self._view is not None:
            self._view.end()
        self._console.print(Text(f"  {printable(text)}\n", style="red"))

    async def close(self) -> None:
        if self._session is not None and self._session.app.is_running:
            self._session.app.exit(exception=EOFError)

    async def _tick(self, view: ReplyView) -> None:
        while True:
            view.refresh()
            await asyncio.sleep(REFRESH)

    async def _prompt(self) -> str:
        before, self._status = self._status, await self._status_of()
        incognito = self._status.mode is PrivacyMode.INCOGNITO
        if self._session is None or incognito != (before.mode is PrivacyMode.INCOGNITO):
            self._session = self._new_session(InMemoryHistory() if incognito else self._kept_history())
        return await self._session.prompt_async(self._left(), rprompt=self._right())

    def _left(self) -> StyleAndTextTuples:
        arrow = "❯" if self._console.encoding.lower().startswith("utf") else ">"
        colour = _MODE_STYLE[self._status.mode]
        return [(colour, printable(self._status.profile)), ("", " "), (f"class:arrow {colour}", f"{arrow} ")]

    def _right(self) -> StyleAndTextTuples:
        return [(f"class:badge {_MODE_STYLE[self._status.mode]}", self._status.badge)]

    def _kept_history(self) -> History:
        if self._history_file is None:
            return InMemoryHistory()
        try:
            make_private_file(self._history_file)
        except OSError:
            return InMemoryHistory()
        return FileHistory(str(self._history_file))

    def _new_session(self, history: History) -> PromptSession[str]:
        source, target = self._terminal or (None, None)
        return PromptSession(
            history=history,
            completer=_CommandCompleter(self._suggest),
            complete_while_typing=True,
            key_bindings=_keys(),
            style=STYLE,
            reserve_space_for_menu=6,
            input=source,
            output=target,
        )

    def _suggest(self, before: str) -> Iterable[Suggestion]:
        buttons = [Suggestion(item.command, len(before), item.label) for item in self._buttons]
        offers = {
            "profile": lambda: self._status.profiles,
            "timezone": lambda: sorted(available_timezones()),
            "command": lambda: [command.name for command in self._commands() if not command.hidden],
        }
        found = suggestions(self._commands(), before, offers)
        leave = [Suggestion(word, len(before), "leave") for word in LEAVE[:1] if before and word.startswith(before)]
        return [*(item for item in buttons if before and item.text.startswith(before)), *found, *leave]


class _CommandCompleter(Completer):
    def __init__(self, suggest: Callable[[str], Iterable[Suggestion]]) -> None:
        self._suggest = suggest

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event
        for item in self._suggest(document.text_before_cursor):
            yield Completion(item.text, start_position=-item.replaces, display_meta=item.help)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-c")
    def _clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


@contextmanager
def keys_unseen() -> Iterator[None]:
    """What is typed meanwhile is kept for the next prompt, but not echoed into the reply."""
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        yield  # not at a terminal
        return
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def make_private_file(path: Path) -> None:
    """An empty file for its owner alone, unless there is one; an existing one loses everybody else's rights."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    path.chmod(0o600)
