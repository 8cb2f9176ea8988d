"""A real redis-server on one port, which can be ended and started again."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path


class RedisServer:
    """Keeps nothing on disk. `url` stays the same over its stops and starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Does nothing while it runs."""
        if self._process is not None:
            return
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "redis-server does not start"
            if self._says(b"PING\r\n").startswith(b"+PONG"):
                return
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def empty(self) -> None:
        assert self._says(b"FLUSHALL\r\n").startswith(b"+OK")

    def _says(self, command: bytes) -> bytes:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as connection:
            connection.sendall(command)
            return connection.recv(100)
        return b""
