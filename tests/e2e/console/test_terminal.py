"""The interactive face, driven by keys and read back from its screen."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session, get_app_or_none
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from adapters.platforms.console.face import PromptStatus
from adapters.platforms.console.terminal import TerminalFace, keys_unseen
from adapters.platforms.console.view import blocks_of
from core.commands.registry import build_registry
from core.messages import Button, InboundMessage, OutboundFile, Reply, ReplyAddress, ReplyKind
from core.privacy import badge
from core.types import Audience, PrivacyMode, TurnId
from tests.e2e.console.scripted import Answer, Script, echo, reply

ENTER = "\r"
LEAVE = "\x04"
UP = "\x1b[A"
COMMANDS = build_registry().commands


@dataclass
class Screen:
    """A person at a terminal of 80 × 24."""

    keys: PipeInput
    folder: Path
    mode: PrivacyMode = PrivacyMode.NORMAL
    shown: io.StringIO = field(default_factory=io.StringIO)

    def face(self, **changes: object) -> TerminalFace:
        settings: dict[str, object] = {
            "status": self.status,
            "commands": lambda: COMMANDS,
            "history_file": self.folder / "home" / "chat_history",
            "greeting": ("MemoryChat", "offline"),
            "console": Console(file=self.shown, force_terminal=True, width=80, height=24, color_system=None),
            "terminal": (self.keys, DummyOutput()),
        }
        return TerminalFace(**(settings | changes))  # type: ignore[arg-type]  # changes are of the same names

    async def status(self) -> PromptStatus:
        return PromptStatus("personal", self.mode, badge(self.mode), ("personal", "work"))

    async def talk(self, typed: str, answer: Answer = echo, **changes: object) -> Script:
        script = Script(self.face(**changes), self.folder / "exports", answer)
        self.keys.send_text(typed)
        await script.talk()
        return script

    async def say(self, script: Script, *steps: tuple[str, str]) -> None:
        """Type step by step, waiting for what stands on the line after each (completion and history are loaded
        meanwhile); then send it and wait for the next prompt."""
        for keys, expected in steps:
            self.keys.send_text(keys)
            await until(partial(self.shows, expected))
        heard = len(script.heard)
        self.keys.send_text(ENTER)
        await until(lambda: len(script.heard) > heard and self.line == "")

    @asynccontextmanager
    async def talking(self, answer: Answer = echo) -> AsyncIterator[Script]:
        script = Script(self.face(), self.folder / "exports", answer)
        talk = asyncio.create_task(script.talk())
        yield script
        self.keys.send_text(LEAVE)
        await talk

    def shows(self, line: str) -> bool:
        return self.line == line

    @property
    def line(self) -> str | None:
        app = get_app_or_none()
        return app.current_buffer.text if app is not None and app.is_running else None

    @property
    def text(self) -> str:
        """What scrolled by, without the cursor's movements."""
        return self.shown.getvalue()

    @property
    def history(self) -> str:
        path = self.folder / "home" / "chat_history"
        return path.read_text("utf-8") if path.exists() else ""


@contextmanager
def screen(folder: Path) -> Iterator[Screen]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield Screen(keys, folder)


async def test_a_line_is_sent_and_answered_and_ctrl_d_leaves(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = await terminal.talk(f"hello{ENTER}{LEAVE}")
    assert [message.text for message in script.heard] == ["hello"]
    assert "you said: hello" in terminal.text
    assert terminal.text.startswith("MemoryChat\noffline\n")


async def test_blank_lines_just_prompt_again_and_quit_leaves(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = await terminal.talk(f"{ENTER}   {ENTER}/quit{ENTER}")
    assert script.heard == []


async def test_pasted_lines_are_one_message(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = await terminal.talk(f"\x1b[200~one\ntwo\nthree\x1b[201~{ENTER}{LEAVE}")
    assert [message.text for message in script.heard] == ["one\ntwo\nthree"]


async def test_alt_enter_begins_a_new_line_and_ctrl_c_clears_what_is_typed(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = await terminal.talk(f"one\x1b{ENTER}two{ENTER}never sent\x03three{ENTER}{LEAVE}")
    assert [message.text for message in script.heard] == ["one\ntwo", "three"]


async def test_tab_completes_a_command_and_a_profile_name(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        async with terminal.talking() as script:
            await terminal.say(script, ("/incog", "/incog"), ("\t", "/incognito"))
            await terminal.say(script, ("/profile use w", "/profile use w"), ("\t", "/profile use work"))
    assert [message.text for message in script.heard] == ["/incognito", "/profile use work"]


async def test_history_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        await terminal.talk(f"my dog is Rex{ENTER}{LEAVE}")
        assert "my dog is Rex" in terminal.history
        assert (tmp_path / "home" / "chat_history").stat().st_mode & 0o777 == 0o600
        async with terminal.talking() as script:
            await terminal.say(script, (UP, "my dog is Rex"))
    assert [message.text for message in script.heard] == ["my dog is Rex"]


async def test_nothing_of_incognito_is_in_the_history_and_arrow_up_forgets_it(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:

        async def answer(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
            modes = {"/incognito": PrivacyMode.INCOGNITO, "/incognito off": PrivacyMode.NORMAL}
            terminal.mode = modes.get(message.text, terminal.mode)
            await echo(script, message, address)

        async with terminal.talking(answer) as script:
            for text in ("open", "/incognito", "canary"):
                await terminal.say(script, (text, text))
            await terminal.say(script, (UP, "canary"))
            await terminal.say(script, ("/incognito off", "/incognito off"))
            await terminal.say(script, (UP, "/incognito"))
    assert len(script.heard) == 6
    assert "open" in terminal.history
    assert "canary" not in terminal.history
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["chat_history"]


async def test_history_can_be_off_and_a_home_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        await terminal.talk(f"one{ENTER}{LEAVE}", history_file=None)
        script = await terminal.talk(f"two{ENTER}{LEAVE}", history_file=Path("/proc/self/nowhere/history"))
    assert [message.text for message in script.heard] == ["two"]
    assert terminal.history == ""


async def test_a_growing_reply_is_printed_block_by_block_and_whole_in_the_end(tmp_path: Path) -> None:
    blocks = ["# Title", "Some *text*.", "- one\n- two", "```python\nprint(1)\n\nprint(2)\n```", "> quoted", "The end."]
    whole = "\n\n".join(blocks)

    async def stream(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        growing = await script.adapter.open_stream(address, turn_id=TurnId("t"), nonce="n")
        assert growing.message_ids == ()
        for end in range(1, len(whole), 7):
            await growing.update(whole[:end])
        assert await growing.finish(reply(whole)) == ("n",)

    with screen(tmp_path) as terminal:
        await terminal.talk(f"go{ENTER}{LEAVE}", stream)
    lines = [line.strip() for line in final_screen(terminal.text)]
    for expected in ("Title", "Some text.", "print(1)", "print(2)", "The end."):
        assert lines.count(expected) == 1, expected
    assert lines.index("Title") < lines.index("Some text.") < lines.index("print(2)") < lines.index("The end.")


async def test_a_final_text_that_differs_from_what_was_shown_is_shown_whole(tmp_path: Path) -> None:
    async def stream(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        growing = await script.adapter.open_stream(address, turn_id=TurnId("t"), nonce="n")
        await growing.update("First block.\n\nSecond block.\n\nThird")
        await growing.finish(reply("Something else."))

    with screen(tmp_path) as terminal:
        await terminal.talk(f"go{ENTER}{LEAVE}", stream)
    assert "Something else." in "\n".join(final_screen(terminal.text))


async def test_the_buttons_of_a_list_are_one_line_and_offered_by_the_completion(tmp_path: Path) -> None:
    async def answer(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        buttons = tuple(Button(f"Forget {number}", f"/forget #{number}f") for number in range(1, 5))
        await script.adapter.send(address, replace(reply("Four memories."), buttons=buttons), nonce="n")

    with screen(tmp_path) as terminal:
        async with terminal.talking(answer) as script:
            await terminal.say(script, ("list", "list"))
            await terminal.say(script, ("/forget #3", "/forget #3"), ("\t", "/forget #3f"))
    shown = "\n".join(final_screen(terminal.text))
    assert "/ offers: Forget 1 · Forget 2 · Forget 3 · Forget 4" in shown
    assert script.heard[1].text == "/forget #3f"


async def test_a_late_reply_stands_above_the_one_that_is_being_made(tmp_path: Path) -> None:
    async def answer(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        late = replace(address, reply_to="of a run that was killed")
        await script.adapter.send(late, reply("from before"), nonce="n0")
        await echo(script, message, address)

    with screen(tmp_path) as terminal:
        await terminal.talk(f"go{ENTER}{LEAVE}", answer)
    shown = "\n".join(final_screen(terminal.text))
    assert shown.index("to an earlier message:") < shown.index("from before") < shown.index("you said: go")


async def test_buttons_files_errors_and_notices_are_shown(tmp_path: Path) -> None:
    async def answer(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        await script.adapter.send(address, reply("Welcome!", ReplyKind.NOTICE), nonce="n0")
        final = Reply(
            text="Delete it?",
            kind=ReplyKind.ERROR,
            audience=Audience.ASKER,
            buttons=(Button("Delete", "/confirm x1"),),
            files=(OutboundFile("a.txt", "text/plain", b"x"),),
        )
        await script.adapter.send(address, final, nonce="n1")

    with screen(tmp_path) as terminal:
        async with terminal.talking(answer) as script:
            await terminal.say(script, ("go", "go"))
            await terminal.say(script, ("/confirm x", "/confirm x"), ("\t", "/confirm x1"))
    shown = "\n".join(final_screen(terminal.text))
    for expected in ("Welcome!", "Delete it?", "/confirm x1  Delete", "saved as "):
        assert expected in shown
    assert script.heard[1].text == "/confirm x1"


async def test_replies_cannot_drive_the_terminal(tmp_path: Path) -> None:
    async def evil(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        await script.adapter.send(address, reply("a\x1b]0;title\x07b\x9bc"), nonce="n")

    with screen(tmp_path) as terminal:
        await terminal.talk(f"go{ENTER}{LEAVE}", evil)
    assert "\x1b]0;" not in terminal.text
    assert "a]0;titlebc" in terminal.text


async def test_ctrl_c_cancels_the_turn_and_not_the_program(tmp_path: Path) -> None:
    async def until_cancelled(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        if message.text == "slow":
            os.kill(os.getpid(), signal.SIGINT)
            await script.cancelled.wait()
            await script.adapter.send(address, reply("Stopped."), nonce="n")
        else:
            await echo(script, message, address)

    with screen(tmp_path) as terminal:
        script = await terminal.talk(f"slow{ENTER}after{ENTER}{LEAVE}", until_cancelled)
    assert [message.text for message in script.heard] == ["slow", "after"]
    assert "Stopped." in terminal.text
    assert "you said: after" in terminal.text


async def test_a_second_ctrl_c_gives_the_prompt_back_from_a_turn_that_does_not_stop(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def stuck(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        if message.text == "slow":
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0)
            await release.wait()
        else:
            release.set()
        await echo(script, message, address)

    with screen(tmp_path) as terminal:
        script = Script(terminal.face(), tmp_path, stuck)
        script.stubborn = True
        terminal.keys.send_text(f"slow{ENTER}after{ENTER}{LEAVE}")
        await script.talk()
    assert [message.text for message in script.heard] == ["slow", "after"]


async def test_a_message_that_cannot_be_stored_is_told(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = Script(terminal.face(), tmp_path, echo)
        script.full = True
        terminal.keys.send_text(f"hello{ENTER}{LEAVE}")
        await script.talk()
    assert "disk is full" in terminal.text
    assert script.adapter.refused == 1


async def test_a_late_reply_is_shown_while_the_prompt_is_open(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = Script(terminal.face(), tmp_path, echo)
        terminal.keys.send_text(f"one{ENTER}")
        talk = asyncio.create_task(script.talk())
        await until(lambda: "you said: one" in terminal.text and terminal.line == "")
        late = ReplyAddress(script.heard[0].place, script.heard[0].kind, "local", reply_to="earlier")
        await script.adapter.send(late, reply("from before"), nonce="n")
        assert "to an earlier message:" in terminal.text
        assert "from before" in terminal.text
        terminal.keys.send_text(LEAVE)
        await talk


async def test_stopping_ends_an_open_prompt(tmp_path: Path) -> None:
    with screen(tmp_path) as terminal:
        script = Script(terminal.face(), tmp_path, echo)
        await script.adapter.start(script.accept)
        await until(lambda: "MemoryChat" in terminal.text)
        await asyncio.wait_for(script.adapter.stop(), 5)


def test_the_blocks_of_a_text_are_the_text() -> None:
    text = (
        "# A\n\ntext\nmore\n\n```\ncode\n\n# no heading\n```\n\n1. one\n\n   still one\n2. two\n\n| a |\n| - |\n| 1 |\n"
    )
    assert "".join(blocks_of(text)) == text
    assert len(blocks_of(text)) == 5
    assert blocks_of("") == [""]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a screen tells nobody when it changes
            await asyncio.sleep(0.01)


def final_screen(written: str) -> list[str]:
    """The lines that stay: rich's moving part erases what it drew by going up and clearing lines."""
    lines = [""]
    row = 0
    position = 0
    while position < len(written):
        if written.startswith("\x1b[", position):
            end = position + 2
            while not written[end].isalpha():
                end += 1
            number = written[position + 2 : end]
            if written[end] == "A":
                row -= int(number or 1)
            elif written[end] == "K":
                lines[row] = ""
            position = end + 1
            continue
        if written[position] == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif written[position] != "\r":
            lines[row] += written[position]
        position += 1
    return lines


def test_what_is_typed_while_waiting_is_not_echoed_into_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        before = termios.tcgetattr(slave)
        with keys_unseen():
            assert not termios.tcgetattr(slave)[3] & termios.ECHO
            assert termios.tcgetattr(slave)[3] & termios.ISIG, "Ctrl-C still has to arrive"
        assert termios.tcgetattr(slave) == before
    os.close(master)
