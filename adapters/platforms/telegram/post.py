"""Putting messages into a chat: paced, errors mapped, moved chats followed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from telegram import InputFile, LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from adapters.platforms.telegram.client import TelegramBot
from adapters.platforms.telegram.config import PLATFORM
from adapters.platforms.telegram.errors import is_not_modified, mapped_errors, retry_seconds
from adapters.platforms.telegram.pace import Pacer
from adapters.platforms.telegram.render import Part, render
from core.errors import DeliveryError, DeliveryRefused, MemoryChatError
from core.messages import OutboundFile, Reply, ReplyAddress
from core.types import ConversationKind, Place

log = logging.getLogger(__name__)

OnMigrated = Callable[[Place, Place], Awaitable[None]]
"""A group has a new chat id: old place, new place. Called at least once per migration, so it must be idempotent."""

T = TypeVar("T")
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@dataclass(frozen=True, slots=True)
class Target:
    """A chat to write into. `reply_to` 0: quote nothing (a private chat has nobody to confuse)."""

    chat: int
    thread: int | None = None
    reply_to: int = 0

    @classmethod
    def of(cls, address: ReplyAddress) -> Target:
        shared = address.kind is ConversationKind.SHARED
        return cls(
            chat=int(address.place.chat_id),
            thread=int(address.thread_id or address.place.thread_id or 0) or None,
            reply_to=int(address.reply_to or 0) if shared else 0,
        )


class Post:
    """Raises DeliveryRateLimited, DeliveryUnknown or DeliveryRefused, with `sent_ids` as far as it came."""

    def __init__(self, bot: TelegramBot, pacer: Pacer, on_migrated: OnMigrated | None) -> None:
        self._bot = bot
        self._pacer = pacer
        self._on_migrated = on_migrated
        self._moved: dict[int, int] = {}
        self._under_way: set[asyncio.Future[None]] = set()

    async def put(self, target: Target, reply: Reply, known_ids: Sequence[str] = ()) -> tuple[str, ...]:
        """The whole reply: known messages are edited into shape, the rest is sent, what is too much is deleted."""
        done = asyncio.get_running_loop().create_future()
        self._under_way.add(done)
        try:
            return await self._put_all(target, reply, known_ids)
        finally:
            self._under_way.discard(done)
            done.set_result(None)

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is being sent, at most so long."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _put_all(self, target: Target, reply: Reply, known_ids: Sequence[str]) -> tuple[str, ...]:
        items: list[Part | OutboundFile] = [*render(reply), *reply.files]
        ids: list[str] = []
        for index, item in enumerate(items):
            known = int(known_ids[index]) if index < len(known_ids) else 0
            try:
                ids.append(str(await self._put_item(target, item, known)))
            except DeliveryError as error:
                error.sent_ids = (*ids, *known_ids[index:])
                raise
            target = replace(target, reply_to=0)
        for leftover in known_ids[len(items) :]:
            await self._delete(target, int(leftover))
        return tuple(ids)

    async def send(self, target: Target, part: Part) -> int:
        """A new message; its id."""
        with mapped_errors():
            try:
                return await self._send(target, part)
            except BadRequest:
                if not part.entities:
                    raise
                # Telegram has no code for entities that it does not like: the same text without them says it all.
                return await self._send(target, replace(part, entities=()))

    async def edit(self, target: Target, message_id: int, part: Part) -> None:
        """Change a message of ours; one that says so already is fine."""

        async def call(chat: int) -> object:
            return await self._bot.edit_message_text(
                part.text,
                chat_id=chat,
                message_id=message_id,
                entities=part.entities or None,
                reply_markup=part.keyboard,
                link_preview_options=NO_PREVIEW,
            )

        with mapped_errors():
            try:
                await self._paced(target, call)
            except BadRequest as error:
                if not is_not_modified(error):
                    raise

    async def _put_item(self, target: Target, item: Part | OutboundFile, known: int) -> int:
        if isinstance(item, OutboundFile):
            return known or await self._send_file(target, item)
        if known:
            try:
                await self.edit(target, known, item)
            except DeliveryRefused:
                log.info("a known message cannot be edited any more, sending it anew")
            else:
                return known
        return await self.send(target, item)

    async def _send(self, target: Target, part: Part) -> int:
        async def call(chat: int) -> int:
            message = await self._bot.send_message(
                chat,
                part.text,
                entities=part.entities or None,
                message_thread_id=target.thread,
                reply_parameters=_quote(target),
                reply_markup=part.keyboard,
                link_preview_options=NO_PREVIEW,
            )
            return message.message_id

        return await self._paced(target, call)

    async def _send_file(self, target: Target, file: OutboundFile) -> int:
        async def call(chat: int) -> int:
            message = await self._bot.send_document(
                chat,
                InputFile(file.data, filename=file.name),
                message_thread_id=target.thread,
                reply_parameters=_quote(target),
            )
            return message.message_id

        with mapped_errors():
            return await self._paced(target, call)

    async def _delete(self, target: Target, message_id: int) -> None:
        try:
            await self._bot.delete_message(self._moved.get(target.chat, target.chat), message_id)
        except TelegramError as error:
            log.info("a message left over from an earlier try stays: %s", type(error).__name__)

    async def _paced(self, target: Target, call: Callable[[int], Awaitable[T]]) -> T:
        """Wait for a place, call, and follow the chat once when it has moved. Raises TelegramError or
        DeliveryRateLimited."""
        chat = self._moved.get(target.chat, target.chat)
        await self._pacer.wait(chat)
        try:
            return await call(chat)
        except RetryAfter as error:
            self._pacer.block(chat, retry_seconds(error))
            raise
        except ChatMigrated as error:
            try:
                await self.moved(chat, error.new_chat_id)
            except MemoryChatError as failure:
                log.warning("a moved chat could not be re-keyed yet: %s", type(failure).__name__)
            return await call(error.new_chat_id)

    async def moved(self, chat: int, new_chat: int) -> None:
        """Replies still addressed to the old chat go to the new one from now on, and the core re-keys its place.

        Raises what the core raises; it is then asked again the next time.
        """
        if self._moved.get(chat) == new_chat:
            return
        if self._on_migrated is not None:
            await self._on_migrated(Place(PLATFORM, "", str(chat)), Place(PLATFORM, "", str(new_chat)))
        self._moved[chat] = new_chat


def _quote(target: Target) -> ReplyParameters | None:
    if not target.reply_to:
        return None
    return ReplyParameters(target.reply_to, allow_sending_without_reply=True)
