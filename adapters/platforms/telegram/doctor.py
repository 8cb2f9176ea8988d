"""What `memorychat doctor` can learn from Telegram itself. Nothing is changed and no update is taken."""

from __future__ import annotations

from telegram import WebhookInfo
from telegram.error import Conflict, InvalidToken, TelegramError

from adapters.platforms.telegram.client import build_bot
from adapters.platforms.telegram.config import TelegramConfig

SECOND_POLLER_SECONDS = 3


async def problems(config: TelegramConfig) -> list[str]:
    """One readable line each, none when all is well. A second poller shows only while polling (its log says so)."""
    bot = build_bot(config)
    try:
        await bot.get_me()
        return _of_webhook(await bot.get_webhook_info(), config)
    except InvalidToken:
        return ["Telegram does not know this token; @BotFather shows the right one."]
    except TelegramError as error:
        return [f"Telegram cannot be asked ({type(error).__name__}); check the network and TELEGRAM_BASE_URL."]
    finally:
        await bot.close_connections()


async def second_poller(config: TelegramConfig) -> list[str]:
    """Whether somebody else polls this bot. To be asked only while our own bot is not running: it would be the one.

    The other one comes back within seconds and ends our own call (409). No update is confirmed by it.
    """
    if config.webhook_url:
        return []
    bot = build_bot(config)
    try:
        await bot.get_updates(timeout=SECOND_POLLER_SECONDS, limit=1)
    except Conflict:
        return ["Another program polls with this token, or a webhook is set: stop it, or make a new token."]
    except TelegramError:
        return []  # told by `problems`
    finally:
        await bot.close_connections()
    return []


def _of_webhook(info: WebhookInfo, config: TelegramConfig) -> list[str]:
    found = []
    if config.webhook_url and info.url != config.webhook_url:
        found.append("Telegram pushes nothing to TELEGRAM_WEBHOOK_URL yet; the bot sets that when it starts.")
    if not config.webhook_url and info.url:
        found.append(
            "A webhook is set although this bot polls; its start removes it. Does another program use the bot?"
        )
    if config.webhook_url and info.last_error_message:
        found.append(f"Telegram could not deliver lately: {info.last_error_message}")
    return found
