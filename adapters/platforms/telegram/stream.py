"""A reply that grows in sight: drafts in private chats, edits in groups.

The core cancels its pump when the reply is complete, perhaps in the middle of a call of ours. A call is therefore never
cut but waited for before the final text goes out: a preview that arrives late would stand over the final text, and a
first message whose id got lost would stand there twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Callable
from typing import Protocol

from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TelegramError

from adapters.platforms.telegram.client import TelegramBot
from adapters.platforms.telegram.config import GROUP_EDIT_INTERVAL
from adapters.platforms.telegram.errors import retry_seconds
from adapters.platforms.telegram.pace import Pacer
from adapters.platforms.telegram.post import Post, Target
from adapters.platforms.telegram.render import Part, render_text
from core.errors import DeliveryError, DeliveryRateLimited
from core.messages import Reply

log = logging.getLogger(__name__)


class Preview(Protocol):
    """One way to show an unfinished reply. `message_ids`: what stands in the chat because of it."""

    message_ids: tuple[str, ...]

    async def show(self, parts: list[Part]) -> None: ...


class TelegramStream:
    """`core.ports.platform.ReplyStream` over one kind of preview."""

    def __init__(self, post: Post, target: Target, preview: Preview) -> None:
        self._post = post
        self._target = target
        self._preview = preview
        self._under_way: asyncio.Task[None] | None = None

    @property
    def message_ids(self) -> tuple[str, ...]:
        return self._preview.message_ids

    async def update(self, text: str) -> None:
        if parts := render_text(text):
            self._under_way = asyncio.create_task(self._preview.show(parts))
            await asyncio.shield(self._under_way)

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        if self._under_way is not None:
            await asyncio.gather(self._under_way, return_exceptions=True)
        try:
            self._preview.message_ids = await self._post.put(self._target, reply, self.message_ids)
        except DeliveryError as error:
            self._preview.message_ids = error.sent_ids  # the next try goes on from there
            raise
        return self.message_ids


class EditPreview:
    """One message that grows by edits until it is full; the further ones come with the final text."""

    def __init__(
        self, post: Post, pacer: Pacer, target: Target, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.message_ids: tuple[str, ...] = ()
        self._post = post
        self._pacer = pacer
        self._target = target
        self._monotonic = monotonic
        self._next_at = 0.0
        self._shown: Part | None = None

    async def show(self, parts: list[Part]) -> None:
        part = parts[0]
        if part == self._shown:
            return
        wait = max(self._next_at - self._monotonic(), self._pacer.spare(self._target.chat))
        if wait > 0:
            raise DeliveryRateLimited("edits in a group", retry_after=wait)
        self._next_at = self._monotonic() + GROUP_EDIT_INTERVAL
        if self.message_ids:
            await self._post.edit(self._target, int(self.message_ids[0]), part)
        else:
            self.message_ids = (str(await self._post.send(self._target, part)),)
        self._shown = part


class DraftSupport:
    """Whether the server knows sendMessageDraft; asked once, by using it."""

    is_known = True


class DraftPreview:
    """Telegram's own preview: the growing end of the text, replaced by the final message, gone after 30 s."""

    def __init__(self, bot: TelegramBot, pacer: Pacer, target: Target, nonce: str, support: DraftSupport) -> None:
        self.message_ids: tuple[str, ...] = ()
        self._bot = bot
        self._pacer = pacer
        self._target = target
        self._draft_id = zlib.crc32(nonce.encode()) % 2**31 or 1
        self._support = support
        self._is_refused = False

    async def show(self, parts: list[Part]) -> None:
        """Never fatal: what is refused for good is not tried again in this reply."""
        if self._is_refused or not self._support.is_known:
            return
        if wait := self._pacer.spare(self._target.chat):
            raise DeliveryRateLimited("drafts", retry_after=wait)
        await self._pacer.wait(self._target.chat)
        try:
            await self._draft(parts[-1])
        except RetryAfter as error:
            self._pacer.block(self._target.chat, retry_seconds(error))
        except TelegramError as error:
            log.info("a draft was not shown: %s", type(error).__name__)
            # The SDK reads a 404, as servers without the method answer, as a wrong token.
            self._support.is_known = not isinstance(error, InvalidToken)
            self._is_refused = isinstance(error, BadRequest) or not isinstance(error, NetworkError)

    async def _draft(self, part: Part) -> None:
        await self._bot.send_message_draft(
            self._target.chat,
            self._draft_id,
            part.text,
            message_thread_id=self._target.thread,
            entities=part.entities or None,
        )
