"""What the adapter costs, for bench/: `python -m tests.e2e.discord.measure` prints the figure."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

from adapters.platforms.discord.render import render
from adapters.platforms.discord.translate import BotSelf, translate_message
from core.messages import Reply, ReplyKind
from core.types import Audience
from tests.replay.discord.test_replay import Ear

PAYLOAD = Path(__file__).parents[2] / "replay" / "discord" / "channel_names.json"
REPLY = """Your dog is called **Rex** (you told me on *3 May*).

- he is *seven*
- he likes `cheese`

| what | when |
| --- | --- |
| vet | Monday |

```python
print("Rex")
```
See [the album](https://example.org/rex).
"""


async def translation_and_rendering(rounds: int = 2_000) -> float:
    """The median cost in µs of one channel message in, the SDK's own reading of it included, and one formatted reply
    out."""
    ear, payload = Ear(), json.loads(PAYLOAD.read_text(encoding="utf-8"))["payload"]
    assert ear.user is not None
    me = BotSelf(ear.user.id)
    reply = Reply(text=REPLY, kind=ReplyKind.ANSWER, audience=Audience.ROOM, badge="🔒 incognito")
    costs = []
    for _ in range(rounds):
        began = time.perf_counter()
        ear.hear("MESSAGE_CREATE", payload)
        translate_message(ear.told.pop()[1], me)
        render(reply)
        costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1e6


def main() -> None:
    figures = {"translation_and_rendering_us": round(asyncio.run(translation_and_rendering()), 1)}
    sys.stdout.write(f"{json.dumps(figures)}\n")


if __name__ == "__main__":
    main()
