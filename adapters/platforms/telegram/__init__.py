"""Telegram through python-telegram-bot: polling or webhook, private chats, groups and topics."""

from adapters.platforms.telegram.adapter import TelegramAdapter
from adapters.platforms.telegram.config import CAPABILITIES, PLATFORM, Engagement, Pace, TelegramConfig

__all__ = ["CAPABILITIES", "PLATFORM", "Engagement", "Pace", "TelegramAdapter", "TelegramConfig"]
