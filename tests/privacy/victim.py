"""A process that is in the middle of an incognito answer when it is killed.

Writes `answering` and waits for ever.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode
from pathlib import Path

from adapters.keys.master import MasterKey
from adapters.memory.embedder import OnnxEmbedder
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel


async def main(folder: Path, canary: str, master: str, sealed: bool) -> None:
    home = Home(folder, None, OnnxEmbedder(), sealed=sealed, master=MasterKey((b64decode(master),)))
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


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "sealed"))
