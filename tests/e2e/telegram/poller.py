"""A bot process to be killed: it polls, writes what it accepts to a file and, after so many, comes to a standstill."""

from __future__ import annotations

import asyncio
import os
import sys

from adapters.platforms.telegram import TelegramAdapter, TelegramConfig
from core.messages import Acceptance, InboundEvent, InboundMessage


async def main(base_url: str, token: str, log: str, until: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    accepted = 0

    async def accept(event: InboundEvent) -> Acceptance:
        nonlocal accepted
        assert isinstance(event, InboundMessage)
        await asyncio.sleep(0)
        if accepted == int(until):
            await asyncio.Event().wait()  # the store is busy when the kill comes
        accepted += 1
        os.write(descriptor, f"{event.sender.external_id} {event.text}\n".encode())
        return Acceptance.ACCEPTED

    adapter = TelegramAdapter(TelegramConfig(token=token, base_url=base_url, poll_timeout=1, retry_pause=0.05))
    await adapter.start(accept)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
