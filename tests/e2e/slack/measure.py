"""What the adapter costs, for bench/: `python -m tests.e2e.slack.measure` prints the figures."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

from adapters.platforms.slack import SlackAdapter, SlackConfig
from adapters.platforms.slack.render import render_reply
from adapters.platforms.slack.translate import BotSelf, translate
from core.messages import Acceptance, InboundEvent, Reply, ReplyKind
from core.types import Audience
from tests.e2e.slack.model import BEN, BOT, BOT_ID, TEAM, TEAM_ROOM
from tests.e2e.slack.server import SlackServer
from tests.e2e.slack.transport import signature

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


def payload(ts: str = "1763812800.000100") -> dict[str, Any]:
    event = {
        "type": "message",
        "user": BEN,
        "text": f"<@{BOT}> what does <https://example.org|this> &amp; that mean for my dog? 🦊",
        "ts": ts,
        "channel": TEAM_ROOM,
        "channel_type": "channel",
    }
    return {"type": "event_callback", "team_id": TEAM, "event": event, "authorizations": [{"team_id": TEAM}]}


def translation_and_rendering(rounds: int = 2_000) -> float:
    """The median cost in µs of one channel message in and one formatted reply out."""
    me, body, now = BotSelf(TEAM, BOT, BOT_ID), payload(), datetime.now(UTC)
    reply = Reply(text=REPLY, kind=ReplyKind.ANSWER, audience=Audience.ROOM, badge="🕶 incognito")
    costs = []
    for _ in range(rounds):
        began = time.perf_counter()
        translate(body, me, now)
        [message.content for message in render_reply(reply)]
        costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1e6


async def signed_request(rounds: int = 500) -> float:
    """The median in µs from a signed request to its answer: signature, bolt, translation, an Acceptor that does
    nothing; names are known already."""

    async def accept(event: InboundEvent) -> Acceptance:
        return Acceptance.ACCEPTED

    async with SlackServer() as slack:
        config = SlackConfig(bot_token=slack.bot_token, signing_secret=slack.signing_secret, base_url=slack.base_url)
        adapter = SlackAdapter(config)
        await adapter.start(accept)
        costs = []
        for number in range(rounds):
            body = json.dumps(payload(f"1763812800.{number:06d}")).encode()
            headers = {"content-type": "application/json", **signature(slack.signing_secret, body)}
            began = time.perf_counter()
            status, _, _ = await adapter.handle_http(headers, body)
            costs.append(time.perf_counter() - began)
            assert status == 200
        await adapter.stop()
    return statistics.median(costs) * 1e6


if __name__ == "__main__":
    sys.stdout.write(f"translation + rendering: {translation_and_rendering():.0f} µs\n")
    sys.stdout.write(f"one signed request through bolt: {asyncio.run(signed_request()):.0f} µs\n")
