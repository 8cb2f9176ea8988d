"""Long polling that confirms nothing before it is stored.

The SDK's own polling confirms a batch as soon as it is in memory, and a killed process loses it. Here the offset moves
on only when everything below it was accepted. One chat's updates are accepted in order, different chats' side by side.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from telegram.error import Conflict, RetryAfter, TelegramError

from adapters.platforms.payload import number_of
from adapters.platforms.telegram.errors import retry_seconds
from adapters.platforms.telegram.translate import chat_of
from core.errors import StoreError

log = logging.getLogger(__name__)

Update = Mapping[str, object]
Fetch = Callable[[int, int, int], Awaitable[list[dict[str, Any]]]]
"""`(offset, timeout in seconds, limit)` → updates, those below the offset being confirmed."""
Take = Callable[[Update], Awaitable[None]]
"""Returns once the update is stored or of no interest."""

LONGEST_PAUSE = 60.0
CONFIRM_SECONDS = 0.4
"""A stop has little time; what is not confirmed comes again and is known then."""
POISON_TRIES = 5
"""An update that a fault of ours (not the store's) makes fail this often is skipped, or nobody is heard again."""


class Poller:
    def __init__(self, fetch: Fetch, take: Take, timeout: int, first_pause: float) -> None:
        self._fetch = fetch
        self._take = take
        self._timeout = timeout
        self._first_pause = first_pause
        self._pause = first_pause
        self._offset = 0
        self._faults: dict[int, int] = defaultdict(int)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="telegram-polling")

    async def stop(self) -> None:
        """Take no new batch, finish the one at hand and confirm it."""
        self._stopping.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            batch = await self._unless_stopping(self._next_batch())
            if batch and not await self._accept(batch):
                await self._unless_stopping(self._rest(None))
        await self._confirm()

    async def _next_batch(self) -> list[dict[str, Any]]:
        """What is new; empty, after a growing pause, when Telegram cannot be asked."""
        try:
            batch = await self._fetch(self._offset, self._timeout, 100)
        except TelegramError as error:
            await self._rest(error)
            return []
        self._pause = self._first_pause
        return batch

    async def _rest(self, error: TelegramError | None) -> None:
        if isinstance(error, Conflict):
            log.warning("another program polls Telegram with this bot's token, or a webhook is set; trying again")
        elif error is not None:
            log.warning("polling Telegram failed: %s", type(error).__name__)
        pause = retry_seconds(error) if isinstance(error, RetryAfter) else self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause)

    async def _accept(self, batch: Sequence[Update]) -> bool:
        """Accept a batch and move the offset to the first update that was not; whether all were."""
        lanes: dict[int, list[Update]] = defaultdict(list)
        for update in batch:
            lanes[chat_of(update)].append(update)
        failed = [first for first in await asyncio.gather(*map(self._accept_lane, lanes.values())) if first]
        ids = [number_of(update, "update_id") for update in batch]
        self._offset = min(failed, default=max(self._offset, max(ids) + 1))
        return not failed

    async def _accept_lane(self, updates: Sequence[Update]) -> int:
        """The id of the first update that was not accepted, 0 when all were; those after it have to wait for it."""
        for update in updates:
            update_id = number_of(update, "update_id")
            try:
                await self._take(update)
            except StoreError as error:
                log.warning("update %d is not stored yet: %s", update_id, type(error).__name__)
                return update_id
            except Exception as error:  # one bad update must not silence everybody
                if not self._is_poison(update_id, error):
                    return update_id
        return 0

    def _is_poison(self, update_id: int, error: Exception) -> bool:
        self._faults[update_id] += 1
        gives_up = self._faults[update_id] >= POISON_TRIES
        log.error("update %d failed: %s%s", update_id, type(error).__name__, "; skipped" if gives_up else "")
        if gives_up:
            del self._faults[update_id]
        return gives_up

    async def _confirm(self) -> None:
        """Asking for what follows is what confirms; what comes back is left for the next start."""
        if self._offset:
            try:
                await asyncio.wait_for(self._fetch(self._offset, 0, 1), CONFIRM_SECONDS)
            except (TelegramError, TimeoutError) as error:
                log.info("the last updates will come again: %s", type(error).__name__)

    async def _unless_stopping(self, work: Awaitable[Any]) -> Any:
        """The result of `work`, or None when `stop` came first."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None
