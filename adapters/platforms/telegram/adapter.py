"""Telegram as `core.ports.platform.PlatformAdapter`: the SDK wired to the pure parts beside this file."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from telegram.constants import ChatAction
from telegram.error import TelegramError

from adapters.platforms.payload import part_of, text_of
from adapters.platforms.telegram.client import build_bot
from adapters.platforms.telegram.commands import CommandSpec
from adapters.platforms.telegram.config import CAPABILITIES, PLATFORM, TelegramConfig
from adapters.platforms.telegram.connect import connect, keep_connecting, listen_by_polling, listen_by_webhook
from adapters.platforms.telegram.files import download
from adapters.platforms.telegram.managers import Managers
from adapters.platforms.telegram.pace import Pacer
from adapters.platforms.telegram.poll import Poller
from adapters.platforms.telegram.post import OnMigrated, Post, Target
from adapters.platforms.telegram.private import ForOneReader
from adapters.platforms.telegram.render import render
from adapters.platforms.telegram.stream import DraftPreview, DraftSupport, EditPreview, Preview, TelegramStream
from adapters.platforms.telegram.translate import BotSelf, Migrated, chat_of, translate
from core.capabilities import PlatformCapabilities
from core.errors import StoreError
from core.locks import KeyedLocks
from core.messages import Acceptance, Attachment, InboundMessage, Reply, ReplyAddress
from core.ports.platform import Acceptor, ReplyStream
from core.types import Audience, ConversationKind, PlatformName, TurnId

log = logging.getLogger(__name__)

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105  a header's name, no secret
DRAIN_SECONDS = 1.0


class TelegramAdapter:
    """Also `SupportsStreaming`, `SupportsEdit`, `SupportsParts`, `SupportsTyping`, `SupportsFetch`. `commands` fill
    Telegram's menu; `on_migrated` hears of groups that got a new chat id. Raises telegram.error.InvalidToken when the
    token is empty."""

    def __init__(
        self, config: TelegramConfig, commands: Sequence[CommandSpec] = (), *, on_migrated: OnMigrated | None = None
    ) -> None:
        self._config = config
        self._commands = commands
        self._bot = build_bot(config)
        self._pacer = Pacer(config.pace)
        self._post = Post(self._bot, self._pacer, on_migrated)
        self._managers = Managers(self._bot)
        self._alone = ForOneReader(self._bot, self._post)
        self._drafts = DraftSupport()
        self._pushed = KeyedLocks()
        self._me: BotSelf | None = None
        self._accept: Acceptor | None = None
        self._poller: Poller | None = None
        self._background: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> PlatformName:
        return PLATFORM

    @property
    def capabilities(self) -> PlatformCapabilities:
        return CAPABILITIES

    async def start(self, accept: Acceptor) -> None:
        """Returns when Telegram listens to us, or, when it cannot be reached, goes on trying in the background."""
        self._accept = accept
        try:
            await self._begin()
        except TelegramError as error:
            log.warning("Telegram cannot be reached yet: %s", type(error).__name__)
            self._spawn(keep_connecting(self._begin, self._config.retry_pause))

    async def stop(self) -> None:
        try:
            await self._end_background()
            if self._poller is not None:
                await self._poller.stop()
            self._accept = None
            await self._post.drain(DRAIN_SECONDS)
            await self._end_background()
        finally:
            await self._bot.close_connections()

    async def send(
        self,
        address: ReplyAddress,
        reply: Reply,
        *,
        nonce: str,
        known_ids: Sequence[str] = (),
    ) -> tuple[str, ...]:
        known = [message_id for message_id in known_ids if message_id.isdecimal()]
        if reply.audience is Audience.ASKER and address.kind is ConversationKind.SHARED:
            return await self._alone.send(address, reply, known)
        return await self._post.put(Target.of(address), reply, known)

    async def edit(self, address: ReplyAddress, message_id: str, reply: Reply) -> None:
        for part in render(reply)[:1]:
            await self._post.edit(Target.of(address), int(message_id), part)

    def parts(self, reply: Reply) -> int:
        return len(render(reply)) + len(reply.files)

    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> ReplyStream:
        target = Target.of(address)
        preview: Preview = DraftPreview(self._bot, self._pacer, target, nonce, self._drafts)
        if address.kind is ConversationKind.SHARED:
            preview = EditPreview(self._post, self._pacer, target)
        return TelegramStream(self._post, target, preview)

    async def typing(self, address: ReplyAddress) -> None:
        """In the background: an answer never waits for its announcement."""
        target = Target.of(address)
        if not self._pacer.is_blocked(target.chat):
            self._spawn(self._quietly(self._bot.send_chat_action(target.chat, ChatAction.TYPING, target.thread)))

    async def fetch(self, attachment: Attachment, *, max_bytes: int) -> bytes:
        return await download(self._bot, attachment, max_bytes)

    async def handle_webhook(self, headers: Mapping[str, str], body: bytes) -> int:
        """One pushed update; the HTTP status to answer with. Anything but 200 makes Telegram send it again.

        401: not from Telegram; 400: no JSON object; 503: not stored, or not receiving.
        """
        given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER), "")
        secret = self._config.webhook_secret
        if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
            return 401
        try:
            update = json.loads(body)
        except ValueError:
            return 400
        if not isinstance(update, dict):
            return 400
        try:
            async with self._pushed.holding(chat_of(update)):  # pushes come side by side
                return 200 if await self._take(update) else 503
        except StoreError as error:
            log.warning("a pushed update is not stored yet: %s", type(error).__name__)
            return 503

    async def _begin(self) -> None:
        self._me = await connect(self._bot, self._config, self._commands)
        if self._config.webhook_url:
            await listen_by_webhook(self._bot, self._config)
        else:
            self._poller = await listen_by_polling(self._bot, self._config, self._take)

    async def _take(self, update: Mapping[str, object]) -> bool:
        """Make one update durable; False when nobody receives (before start, after stop)."""
        me, accept = self._me, self._accept
        if me is None or accept is None:
            return False
        if pressed := text_of(part_of(update, "callback_query"), "id"):
            self._spawn(self._quietly(self._bot.answer_callback_query(pressed)))
        event = translate(update, me, datetime.now(UTC))
        if isinstance(event, Migrated):
            await self._post.moved(int(event.place.chat_id), int(event.new_place.chat_id))
        elif isinstance(event, InboundMessage):
            if event.addressed and not event.sender.is_bot and not await self._alone.hand_over(event):
                acceptance = await accept(await self._with_role(event))
                if acceptance is Acceptance.ACCEPTED and event.handle:
                    self._spawn(self._alone.tell_if_lost(event))
        elif event is not None:
            await accept(event)
        return True

    async def _with_role(self, message: InboundMessage) -> InboundMessage:
        if message.kind is ConversationKind.PRIVATE:
            return message
        role = await self._managers.role(int(message.place.chat_id), int(message.sender.external_id))
        return replace(message, sender=replace(message.sender, role=role))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _end_background(self) -> None:
        """Nothing in it matters to anybody once this process ends."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _quietly(self, call: Coroutine[object, object, object]) -> None:
        """What a test server may lack or an old button no longer takes: never fatal."""
        try:
            await call
        except TelegramError as error:
            log.debug("an unimportant call failed: %s", type(error).__name__)
