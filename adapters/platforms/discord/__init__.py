"""Discord through discord.py: DMs, servers and threads, slash commands and buttons."""

from adapters.platforms.discord.adapter import DiscordAdapter
from adapters.platforms.discord.config import CAPABILITIES, PLATFORM, DiscordConfig, Engagement

__all__ = ["CAPABILITIES", "PLATFORM", "DiscordAdapter", "DiscordConfig", "Engagement"]
