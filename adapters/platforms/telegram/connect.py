"""Coming online: who am I, the command menu, and how updates reach us."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from telegram.error import BadRequest, InvalidToken, TelegramError

from adapters.platforms.telegram.client import ALLOWED_UPDATES, TelegramBot
from adapters.platforms.telegram.commands import CommandSpec, register
from adapters.platforms.telegram.config import TelegramConfig
from adapters.platforms.telegram.poll import Poller
from adapters.platforms.telegram.translate import BotSelf
from core.errors import ConfigurationError, StoreUnavailable

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0


async def connect(bot: TelegramBot, config: TelegramConfig, commands: Sequence[CommandSpec]) -> BotSelf:
    """Raises ConfigurationError for a wrong token or webhook settings, TelegramError when Telegram is out of reach."""
    if config.webhook_url and not config.webhook_secret:
        raise ConfigurationError("TELEGRAM_WEBHOOK_SECRET: must be set together with TELEGRAM_WEBHOOK_URL")
    try:
        me = await bot.get_me()
    except InvalidToken:
        raise ConfigurationError(
            "TELEGRAM_BOT_TOKEN: Telegram does not know this token; @BotFather shows the right one"
        ) from None
    await register(bot, commands)
    return BotSelf(me.id, me.username or "", frozenset(command.name for command in commands), config.engagement)


async def listen_by_webhook(bot: TelegramBot, config: TelegramConfig) -> None:
    """Telegram pushes from now on, also what waited. Raises ConfigurationError for an address that it refuses."""
    try:
        await bot.set_webhook(
            config.webhook_url, secret_token=config.webhook_secret, allowed_updates=ALLOWED_UPDATES, max_connections=40
        )
    except BadRequest as error:
        raise ConfigurationError(f"TELEGRAM_WEBHOOK_URL: Telegram refuses it: {error.message}") from None


async def listen_by_polling(
    bot: TelegramBot, config: TelegramConfig, take: Callable[[Mapping[str, object]], Awaitable[bool]]
) -> Poller:
    """A webhook left over from earlier would make polling fail; what waited for it is kept."""

    async def take_or_wait(update: Mapping[str, object]) -> None:
        if not await take(update):
            raise StoreUnavailable("not receiving")

    try:
        await bot.delete_webhook()
    except TelegramError as error:
        log.info("an earlier webhook was not removed: %s", type(error).__name__)
    poller = Poller(bot.raw_updates, take_or_wait, config.poll_timeout, config.retry_pause)
    poller.start()
    return poller


async def keep_connecting(begin: Callable[[], Awaitable[None]], first_pause: float) -> None:
    """Call `begin` with growing pauses until it succeeds or the settings turn out wrong."""
    pause = first_pause
    while True:
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        try:
            await begin()
        except ConfigurationError as error:
            log.error("Telegram stays off: %s", error.user_message)
            return
        except TelegramError as error:
            log.warning("Telegram cannot be reached yet: %s", type(error).__name__)
        else:
            log.info("Telegram is connected")
            return
