"""A process that is in the middle of an incognito answer when it is killed.

Writes `answering` and waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from adapters.keys.master import MasterKey
from adapters.memory.embedder import OnnxEmbedder
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel


async def main(folder: Path, canary: str, master: str, sealed: bool, server: str) -> None:
    home = Home(folder, None, OnnxEmbedder(), sealed=sealed, master=MasterKey((b64decode(master),)), server=server)
    model = ScriptedModel()
    async with home.process(model) as town:
        ana = town.person("ana")
        await ana.says("My cat is called Tom.")
        model.answer = lambda text: f"I hear {text} and answer {canary}."
        await ana.says("/incognito")
        await ana.says(f"I am looking for a {canary}.")
        model.gate.clear()
        await ana.sends(f"Where is the {canary}?")
        while len(model.calls) < 3:  # noqa: ASYNC110  # another process waits for this one
            await asyncio.sleep(0.001)
        await ana.sends(f"Hello {canary}, are you there?")
        sys.stdout.write("answering\n")
        sys.stdout.flush()
        await asyncio.sleep(3600)


def kill_in_the_middle_of_an_answer(home: Home, canary: str, server: str = "") -> None:
    """kill -9 while one incognito message is answered and the next one waits."""
    key = b64encode(home.master.keys[0]).decode()
    sealed = "sealed" if home.sealed else "plain"
    arguments = [sys.executable, "-m", "tests.privacy.victim", str(home.folder), canary, key, sealed, server]
    root = Path(__file__).parents[2]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "answering\n"
        os.kill(victim.pid, signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "sealed", sys.argv[5]))
