"""What was written while the bot was away, or its connection, read back once a platform is there again (design §3.2).

Accepting is idempotent, so that what arrived as an event too is accepted once. What is too old to be answered is
accepted as well: its turn is skipped with one line in its conversation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import DeliveryRateLimited, DeliveryRefused, MemoryChatError
from core.messages import Acceptance, InboundMessage
from core.ports import Clock, PlatformAdapter, Store, SupportsBacklog, SupportsGaps
from core.types import Conversation

log = logging.getLogger(__name__)

READ_BACK = timedelta(days=1)
"""What is older is not even looked for."""
MOST_CONVERSATIONS = 500
"""The newest ones; the others are read back when somebody writes there, which nobody has to wait for."""
MOST_MESSAGES = 200
"""Of one conversation."""
AT_ONCE = 4
TRIES = 6

Accept = Callable[[InboundMessage], Awaitable[Acceptance]]


class CatchUp:
    """`accept` is the engine's `handle`. `pause` in seconds is the first wait after a failure; it doubles."""

    def __init__(self, store: Store, clock: Clock, accept: Accept, *, pause: float = 2.0) -> None:
        self._store = store
        self._clock = clock
        self._accept = accept
        self._pause = pause

    async def known(self, adapter: PlatformAdapter) -> Sequence[Conversation]:
        """The conversations to read back, with their cursors: to be asked for before new input moves them."""
        if not isinstance(adapter, SupportsBacklog) or adapter.capabilities.catches_up:
            return ()
        known = await self._store.list_conversations(adapter.name)
        return [conversation for conversation in known if conversation.cursor][-MOST_CONVERSATIONS:]

    async def keep_up(self, adapter: PlatformAdapter, known: Sequence[Conversation]) -> None:
        """Read back what is missing at the start, then after each gap in the connection. Ended by cancelling it."""
        await self.read(adapter, known)
        while isinstance(adapter, SupportsGaps):
            since = await adapter.gap()
            # By time and not by cursor: what came since the connection stands again has moved the cursors already.
            conversations = [replace(conversation, cursor="") for conversation in await self._known_at_last(adapter)]
            await self.read(adapter, conversations, since)

    async def read(
        self, adapter: PlatformAdapter, conversations: Sequence[Conversation], since: datetime | None = None
    ) -> int:
        """Accept what is missing; how many messages that were. A conversation that cannot be read stops no other."""
        if not isinstance(adapter, SupportsBacklog):
            return 0
        slots = asyncio.Semaphore(AT_ONCE)
        oldest = max(filter(None, (since, self._clock.now() - READ_BACK)))

        async def one(conversation: Conversation) -> int:
            async with slots:
                return await self._with_retries(adapter, conversation, oldest)

        counts = await asyncio.gather(*(one(conversation) for conversation in reversed(conversations)))
        if sum(counts):
            log.info("read back %d messages in %d conversations", sum(counts), sum(map(bool, counts)))
        return sum(counts)

    async def _known_at_last(self, adapter: PlatformAdapter) -> Sequence[Conversation]:
        """Until the store can be read: before that nothing could be stored either."""
        while True:
            try:
                return await self.known(adapter)
            except MemoryChatError as error:
                log.warning("the conversations cannot be read: %s", error.code)
                await asyncio.sleep(self._pause)

    async def _with_retries(self, adapter: SupportsBacklog, conversation: Conversation, oldest: datetime) -> int:
        wait, tries = self._pause, 0
        while True:
            try:
                return await self._read(adapter, conversation, oldest)
            except DeliveryRefused:
                return 0  # gone, or the bot was removed from it
            except DeliveryRateLimited as error:
                # Asked too often, or out of reach: waited for however long it takes, which is no failure.
                await asyncio.sleep(max(error.retry_after, self._pause))
            except MemoryChatError as error:
                log.warning("a conversation was not read back: %s", type(error).__name__)
                tries += 1
                if tries == TRIES:
                    return 0
                await asyncio.sleep(wait)
                wait *= 2
            except Exception as error:  # a bug with one conversation must not end the reading of all
                log.error("a conversation was not read back: %s", type(error).__name__)
                return 0

    async def _read(self, adapter: SupportsBacklog, conversation: Conversation, oldest: datetime) -> int:
        count = 0
        async for message in adapter.backlog(conversation.place, conversation.cursor, oldest):
            count += await self._accept(message) is Acceptance.ACCEPTED
            if count >= MOST_MESSAGES:
                break
        return count
