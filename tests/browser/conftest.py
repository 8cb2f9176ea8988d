"""The page in a real browser. Only `make test-browser` runs this: it needs Debian's chromium and playwright."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

if not os.environ.get("BROWSER_TESTS"):
    collect_ignore_glob = ["test_*.py"]

OUT = Path(__file__).parent / "out"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def web(home: Path, **settings: str) -> Iterator[str]:
    """`memorychat web` as it is installed, in a home of its own; its address."""
    port = free_port()
    environment = {
        **os.environ,
        "HTTP_PORT": str(port),
        "MEMORYCHAT_HOME": str(home / "state"),
        "HOME": str(home),
        "RATE_LIMIT_SIGN_IN": "1000/minute",
        "RATE_LIMIT_USER": "10000/minute",
        "RATE_LIMIT_ADDRESS": "10000/minute",
        **settings,
    }
    command = [sys.executable, "-c", "from bot.cli import main; main(['web'])"]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=Path.cwd())
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(15)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With the offline model."""
    with web(tmp_path_factory.mktemp("home")) as running:
        yield running


class SlowModel(BaseHTTPRequestHandler):
    """Says the beginning of an answer, with code in it, and nothing more for as long as somebody listens."""

    pieces = ("Here is ", "the **way**:\n\n```py\n", "print('hello')\n", "```\n\nAnd then ")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for piece in self.pieces:
                self._say({"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None})
            while True:
                time.sleep(0.2)
                self.wfile.write(b": still thinking\n\n")
                self.wfile.flush()
        except OSError:
            self.server.left.set()  # type: ignore[attr-defined]  # made by `slow_model`

    def _say(self, choice: dict[str, object]) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "slow", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@dataclass
class SlowSite:
    """`left` is set when the bot hung up on the model."""

    address: str
    left: threading.Event


@pytest.fixture
def slow_site(tmp_path: Path) -> Iterator[SlowSite]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowModel)
    left = server.left = threading.Event()  # type: ignore[attr-defined]  # for its handlers
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with web(tmp_path, OPENAI_API_KEY="key", OPENAI_BASE_URL=url, OPENAI_MODEL="slow") as running:
        yield SlowSite(running, left)
    server.shutdown()
    server.server_close()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server did not start"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer in time")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium is not None, "apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(params=["light", "dark", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """One visitor. What the console calls an error, or the content security policy a violation, fails the test."""
    OUT.mkdir(exist_ok=True)
    phone = request.param == "phone"
    context = browser.new_context(
        base_url=address,
        color_scheme="dark" if request.param == "dark" else "light",
        viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 860},
        has_touch=phone,
        accept_downloads=True,
    )
    context.set_default_timeout(15_000)
    shown = context.new_page()
    problems: list[str] = []
    shown.on("pageerror", lambda error: problems.append(str(error)))
    # A refused request is told by the browser itself, and is part of some stories.
    shown.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield shown
    context.close()
    assert problems == []


@pytest.fixture
def looks(request: pytest.FixtureRequest) -> str:
    """What the screenshots of this run are called by."""
    return str(request.node.callspec.params["page"])
