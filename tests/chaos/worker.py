"""A whole bot in a process that may be killed at any moment: messages in on stdin, replies appended to a file.

`python -m tests.chaos.worker HOME REPLIES`. Each line of stdin is `chat id`; the line `ack id` is printed once the
message is durable. At the end of stdin it answers what is left and goes.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.llm.offline import OfflineLanguageModel
from bot.bootstrap import build
from bot.settings import settings_from
from core.capabilities import PlatformCapabilities
from core.messages import InboundMessage, Reply, ReplyAddress, Sender
from core.ports import ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from core.ports.platform import Acceptor
from core.types import ConversationKind, Place, PlatformName

CHAOS = PlatformName("chaos")


class EchoModel(OfflineLanguageModel):
    """Repeats the message, now and then slowly, so that a kill meets every step."""

    async def stream_response(
        self,
        messages: Sequence[ModelMessage],
        context: PromptContext | None = None,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        private: bool = False,
    ) -> AsyncGenerator[ModelEvent]:
        await asyncio.sleep(random.choice((0, 0, 0.005, 0.03)))
        yield ModelDelta(messages[-1].content)
        yield ModelFinished("stop", ModelUsage(1, 1))


class FilePlatform:
    """Its readers see a line once it is on the disk; it can neither edit nor recognise a second try."""

    name = CHAOS
    capabilities = PlatformCapabilities(max_characters=100_000)

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    async def start(self, accept: Acceptor) -> None:
        """Messages come on stdin."""

    async def stop(self) -> None:
        self._file.close()

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        line = {"chat": address.place.chat_id, "kind": reply.kind, "text": reply.text, "label": reply.maybe_duplicate}
        self._file.write(json.dumps(line) + "\n")
        os.fsync(self._file.fileno())
        await asyncio.sleep(random.choice((0, 0, 0.01)))
        return (nonce,)


def message(chat: str, name: str) -> InboundMessage:
    return InboundMessage(
        place=Place(CHAOS, "", chat),
        kind=ConversationKind.PRIVATE,
        sender=Sender(f"person-{chat}"),
        text=name,
        event_id=name,
        message_id=name,
        sent_at=datetime.now(UTC),
    )


async def main(home: str, replies: str) -> None:
    given = {name: value for name, value in os.environ.items() if name.startswith("SUPABASE_")}
    given |= {"MEMORYCHAT_HOME": home, "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=", "QUEUE_LEASE": "2s"}
    settings = settings_from(given)
    async with build(settings, platforms=[FilePlatform(Path(replies))], model=EchoModel()) as app:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await app.memory.warm()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async for line in reader:
            chat, name = line.decode().split()
            await app.engine.handle(message(chat, name))
            sys.stdout.write(f"ack {name}\n")
            sys.stdout.flush()
        await app.queue.drain()
        await app.engine.responder.retry_unsent()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
