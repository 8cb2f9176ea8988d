"""A pipe: one message a line, replies alone on stdout, everything else on stderr, in order."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.platforms.console.piped import MAX_LINE, PipedFace, read_lines
from core.messages import InboundMessage, OutboundFile, Reply, ReplyAddress, ReplyKind
from core.types import Audience
from tests.e2e.console.scripted import Answer, Script, echo, reply


def pipe_of(data: bytes) -> int:
    """A descriptor that gives `data` and then ends."""
    reader, writer = os.pipe()

    def feed() -> None:
        # Whoever leaves before the end, as a refused start does, closes the other side.
        with suppress(BrokenPipeError), os.fdopen(writer, "wb") as stream:
            stream.write(data)

    threading.Thread(target=feed, daemon=True).start()
    return reader


class Pipe:
    """A run of the adapter on real pipes."""

    def __init__(self, data: bytes, folder: Path, answer: Answer = echo) -> None:
        self.stdin = pipe_of(data)
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()
        self.script = Script(PipedFace(self.stdin, self.stdout, self.stderr), folder, answer)

    async def run(self) -> None:
        await self.script.talk()
        os.close(self.stdin)

    @property
    def out(self) -> str:
        return self.stdout.getvalue().decode()

    @property
    def err(self) -> str:
        return self.stderr.getvalue().decode()


async def test_each_line_gets_its_reply_in_order_the_last_without_a_newline_too(tmp_path: Path) -> None:
    pipe = Pipe(b"one\ntwo\r\nthree", tmp_path)
    await pipe.run()
    assert pipe.out == "you said: one\nyou said: two\nyou said: three\n"
    assert pipe.err == ""
    assert pipe.script.adapter.refused == 0


async def test_the_next_line_waits_for_the_reply(tmp_path: Path) -> None:
    running: list[str] = []

    async def slowly(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        assert running == []
        running.append(message.text)
        for _ in range(20):
            await asyncio.sleep(0)
        running.clear()
        await echo(script, message, address)

    pipe = Pipe(b"one\ntwo\nthree\n", tmp_path, slowly)
    await pipe.run()
    assert [message.text for message in pipe.script.heard] == ["one", "two", "three"]
    assert pipe.out.count("\n") == 3


async def test_notices_go_to_stderr_and_do_not_end_the_wait(tmp_path: Path) -> None:
    async def welcome_first(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        await script.adapter.send(address, reply("Welcome!", ReplyKind.NOTICE), nonce="n0")
        await asyncio.sleep(0)
        await echo(script, message, address)

    pipe = Pipe(b"one\ntwo\n", tmp_path, welcome_first)
    await pipe.run()
    assert pipe.out == "you said: one\nyou said: two\n"
    assert pipe.err == "Welcome!\nWelcome!\n"


async def test_blank_lines_are_told_and_harm_nothing(tmp_path: Path) -> None:
    pipe = Pipe(b"\n   \n\x00\none\n", tmp_path)
    await pipe.run()
    assert pipe.out == "you said: one\n"
    assert pipe.err == "There was no text in that message.\n" * 3


async def test_broken_bytes_and_very_long_lines_are_read(tmp_path: Path) -> None:
    long = b"x" * (2 * MAX_LINE)
    pipe = Pipe(b"a\xff\x00b\n" + long + b"\nlast\n", tmp_path)
    await pipe.run()
    texts = [message.text for message in pipe.script.heard]
    assert texts == ["a\ufffdb", "x" * MAX_LINE, "last"]


async def test_a_turn_that_ends_without_a_reply_does_not_hang_the_pipe(tmp_path: Path) -> None:
    async def nothing(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        return

    pipe = Pipe(b"one\ntwo\n", tmp_path, nothing)
    await pipe.run()
    assert pipe.out == ""
    assert len(pipe.script.heard) == 2
    assert pipe.script.adapter.unanswered == 2


async def test_a_message_that_cannot_be_stored_is_told_and_counted(tmp_path: Path) -> None:
    pipe = Pipe(b"one\n", tmp_path)
    pipe.script.full = True
    await pipe.run()
    assert pipe.script.adapter.refused == 1
    assert "disk is full" in pipe.err
    assert pipe.out == ""


async def test_files_are_saved_for_the_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    async def export(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        file = OutboundFile("../../export.json", "application/json", b"{}")
        answer = Reply(text="Here.", kind=ReplyKind.COMMAND, audience=Audience.ASKER, files=(file,))
        await script.adapter.send(address, answer, nonce="n")

    folder = tmp_path / "exports"
    pipe = Pipe(b"one\ntwo\n", folder, export)
    await pipe.run()
    assert sorted(path.name for path in folder.iterdir()) == ["export-2.json", "export.json"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert pipe.out == "Here.\nHere.\n"
    assert str(folder / "export.json") in pipe.err


async def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    stdin = pipe_of(b"one\n" * 50)
    with os.fdopen(writer, "wb", buffering=0) as stdout:
        errors = io.BytesIO()
        os.close(reader)
        script = Script(PipedFace(stdin, stdout, errors), tmp_path, _deliver)
        await script.adapter.start(script.accept)
        await asyncio.gather(script.adapter.finished(), return_exceptions=True)
        await script.adapter.stop()
    os.close(stdin)
    assert len(script.heard) == 1
    assert errors.getvalue() == b""


async def _deliver(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
    """As the core does: a refused delivery is noted, and that is all."""
    from core.errors import DeliveryRefused

    try:
        await echo(script, message, address)
    except DeliveryRefused:
        return


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=20), st.booleans())
def test_any_bytes_are_split_at_line_ends_and_nowhere_else(lines: list[bytes], closed: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if closed and lines else b"")
    reader = pipe_of(data)

    async def read() -> list[bytes]:
        return [line async for line in read_lines(reader)]

    found = asyncio.run(read())
    os.close(reader)
    expected = data.split(b"\n")
    assert found == (expected[:-1] if expected[-1] == b"" else expected)


async def test_the_reply_to_a_killed_runs_message_does_not_pass_for_the_reply_to_this_line(tmp_path: Path) -> None:
    async def after_an_old_one(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        await script.adapter.send(replace(address, reply_to="of another run"), reply("the old answer"), nonce="n0")
        await echo(script, message, address)

    pipe = Pipe(b"one\n", tmp_path, after_an_old_one)
    await pipe.run()
    assert pipe.out == "you said: one\n"
    assert (
        pipe.err
        == "This answers a message of an earlier run, which was interrupted before its reply:\nthe old answer\n"
    )
    assert pipe.script.adapter.unanswered == 0


async def test_what_a_message_sets_off_is_waited_for_too(tmp_path: Path) -> None:
    async def twice(script: Script, message: InboundMessage, address: ReplyAddress) -> None:
        await script.adapter.send(address, reply("I try again."), nonce="n0")
        await asyncio.sleep(0)
        await echo(script, message, address)

    pipe = Pipe(b"one\ntwo\n", tmp_path, twice)
    await pipe.run()
    assert pipe.out == "I try again.\nyou said: one\nI try again.\nyou said: two\n"
    assert pipe.err == ""
