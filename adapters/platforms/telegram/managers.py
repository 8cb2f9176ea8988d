"""Who manages a group: payloads do not say, so it is asked once and kept for some minutes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from telegram.error import TelegramError

from adapters.platforms.telegram.client import TelegramBot
from core.messages import RoomRole

log = logging.getLogger(__name__)

KEPT_SECONDS = 300.0
ASK_SECONDS = 3.0
MAX_CHATS = 2_000


class Managers:
    def __init__(self, bot: TelegramBot, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bot = bot
        self._monotonic = monotonic
        self._known: dict[int, tuple[float, frozenset[int]]] = {}

    async def role(self, chat: int, user: int) -> RoomRole:
        """MEMBER when Telegram does not tell: rights are never guessed."""
        until, managers = self._known.get(chat, (0.0, frozenset[int]()))
        if until < self._monotonic():
            managers = await self._ask(chat)
            if len(self._known) >= MAX_CHATS:
                self._known.clear()
            self._known[chat] = (self._monotonic() + KEPT_SECONDS, managers)
        return RoomRole.MANAGER if user in managers else RoomRole.MEMBER

    async def _ask(self, chat: int) -> frozenset[int]:
        try:
            members = await self._bot.get_chat_administrators(chat, read_timeout=ASK_SECONDS)
        except TelegramError as error:
            log.info("the managers of a group are unknown: %s", type(error).__name__)
            return frozenset()
        return frozenset(member.user.id for member in members)
