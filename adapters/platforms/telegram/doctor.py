"""What `memorychat doctor` can learn from Telegram itself. Nothing is changed and no update is taken."""

from __future__ import annotations

from telegram import WebhookInfo
from telegram.error import InvalidToken, TelegramError

from adapters.platforms.telegram.client import build_bot
from adapters.platforms.telegram.config import TelegramConfig


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
