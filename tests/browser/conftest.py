"""The page in a real browser. Only `make test-browser` runs this: it needs Debian's chromium and playwright."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`memorychat web` as it is installed, with the offline model, in a home of its own."""
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    environment = {
        **os.environ,
        "HTTP_PORT": str(port),
        "MEMORYCHAT_HOME": str(home / "state"),
        "HOME": str(home),
        "RATE_LIMIT_SIGN_IN": "1000/minute",
        "RATE_LIMIT_USER": "10000/minute",
        "RATE_LIMIT_ADDRESS": "10000/minute",
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
