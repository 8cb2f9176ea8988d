"""Answers for one person in a group: by DM, or, when they never wrote to the bot, behind a link to their own chat."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.helpers import create_deep_linked_url

from adapters.platforms.telegram.client import TelegramBot
from adapters.platforms.telegram.errors import mapped_errors
from adapters.platforms.telegram.post import Post, Target
from adapters.platforms.telegram.render import Part
from core.errors import DeliveryError, DeliveryRefused
from core.messages import InboundMessage, Reply, ReplyAddress

log = logging.getLogger(__name__)

HOLD_SECONDS = 900.0
MAX_HELD = 1_000
KEY = "answer-"
"""What the payload of an invitation's link begins with, to be told from links of others."""
INVITATION = "I have an answer for you alone. Please open our own chat to read it."
GONE = (
    "The answer that waited for you is no longer here: I keep such answers for a quarter of an hour at most, and only "
    "until I am restarted. Please ask again; from now on I can write to you here."
)


@dataclass(frozen=True, slots=True)
class Held:
    """`reply` None: it was read."""

    recipient: str
    reply: Reply | None
    until: float


class HeldReplies:
    """Replies that wait for their reader to press Start. In this process's memory only: incognito ones are among
    them."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._held: OrderedDict[str, Held] = OrderedDict()

    def hold(self, recipient: str, reply: Reply) -> str:
        """The key, fit for a deep link."""
        now = self._monotonic()
        while self._held and (len(self._held) >= MAX_HELD or next(iter(self._held.values())).until < now):
            self._held.popitem(last=False)
        key = KEY + secrets.token_urlsafe(16)
        self._held[key] = Held(recipient, reply, now + HOLD_SECONDS)
        return key

    def find(self, key: str, recipient: str) -> Reply | None:
        """None when it expired, was read, or is somebody else's."""
        held = self._held.get(key)
        if held is None or held.recipient != recipient or held.until < self._monotonic():
            return None
        return held.reply

    def was_read(self, key: str) -> None:
        self._held[key] = replace(self._held[key], reply=None)

    def is_lost(self, key: str) -> bool:
        """Whether an answer was held under this key, and is not known any more: too old, or another process's."""
        held = self._held.get(key)
        return key.startswith(KEY) and (held is None or held.until < self._monotonic())


class ForOneReader:
    """Sends what a room must not read."""

    def __init__(self, bot: TelegramBot, post: Post) -> None:
        self._bot = bot
        self._post = post
        self._held = HeldReplies()

    async def send(self, address: ReplyAddress, reply: Reply, known: Sequence[str]) -> tuple[str, ...]:
        """By DM; to a person who never opened a chat with the bot Telegram lets none through, so they are invited.

        The id of an invitation is `link:<message id>`: it is nothing to edit the reply into. Raises as `Post.put`.
        """
        try:
            return await self._post.put(Target(int(address.recipient)), reply, known)
        except DeliveryRefused as error:
            if error.sent_ids:
                raise
        with mapped_errors():
            username = await self._bot.own_username()
        part = invitation(username, self._held.hold(address.recipient, reply))
        return (f"link:{await self._post.send(Target.of(address), part)}",)

    async def hand_over(self, message: InboundMessage) -> bool:
        """Whether this was the Start press that an answer was waiting for."""
        reply = self._held.find(message.handle, message.sender.external_id)
        if reply is None:
            return False
        try:
            await self._post.put(Target(int(message.place.chat_id)), reply)
        except DeliveryError as error:
            log.warning("a held answer was not delivered: %s", type(error).__name__)
            return False
        self._held.was_read(message.handle)
        return True

    async def tell_if_lost(self, message: InboundMessage) -> None:
        """To somebody who followed an invitation whose answer is not here any more."""
        if not self._held.is_lost(message.handle):
            return
        try:
            await self._post.send(Target(int(message.place.chat_id)), Part(GONE))
        except DeliveryError as error:
            log.info("a lost answer was not told: %s", type(error).__name__)


def invitation(username: str, key: str) -> Part:
    button = InlineKeyboardButton("Open our chat", url=create_deep_linked_url(username, key))
    return Part(INVITATION, keyboard=InlineKeyboardMarkup([[button]]))
