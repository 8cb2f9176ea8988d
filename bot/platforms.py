"""The platform adapters that the settings turn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bot.settings import Settings
from core.commands.registry import Registry
from core.ports import PlatformAdapter, Store
from core.types import Place

if TYPE_CHECKING:
    from adapters.platforms.discord.config import DiscordConfig
    from adapters.platforms.slack.config import SlackConfig
    from adapters.platforms.telegram.config import TelegramConfig


def configured_platforms(settings: Settings, store: Store, registry: Registry) -> Iterator[PlatformAdapter]:
    """One adapter for each platform whose token is set. The SDKs are imported only then."""
    if settings.slack.bot_token is not None:
        yield _slack(settings)
    if settings.telegram.bot_token is not None:
        yield _telegram(settings, store, registry)
    if settings.discord.bot_token is not None:
        yield _discord(settings, store, registry)


def pushes(settings: Settings, name: str) -> bool:
    """Whether a platform calls us (a webhook), so that nothing has to stay connected to it."""
    if name == "slack":
        return settings.slack.app_token is None
    return name == "telegram" and settings.telegram.webhook_url is not None


def slack_config(settings: Settings) -> SlackConfig:
    from adapters.platforms.slack.config import Engagement, SlackConfig

    slack = settings.slack
    assert slack.bot_token is not None
    return SlackConfig(
        bot_token=slack.bot_token.get_secret_value(),
        app_token=slack.app_token.get_secret_value() if slack.app_token else "",
        signing_secret=slack.signing_secret.get_secret_value() if slack.signing_secret else "",
        base_url=slack.base_url,
        engagement=Engagement(slack.engagement),
    )


def telegram_config(settings: Settings) -> TelegramConfig:
    from adapters.platforms.telegram.config import Engagement, Pace, TelegramConfig

    telegram = settings.telegram
    assert telegram.bot_token is not None
    return TelegramConfig(
        token=telegram.bot_token.get_secret_value(),
        base_url=telegram.base_url,
        base_file_url=telegram.base_file_url,
        engagement=Engagement(telegram.engagement),
        webhook_url=telegram.webhook_url or "",
        webhook_secret=telegram.webhook_secret.get_secret_value() if telegram.webhook_secret else "",
        pace=Pace.of(
            per_second=telegram.sends_per_second,
            chat_per_second=telegram.chat_sends_per_second,
            group_per_minute=telegram.group_sends_per_minute,
        ),
    )


def discord_config(settings: Settings) -> DiscordConfig:
    from adapters.platforms.discord.config import DiscordConfig, Engagement

    discord = settings.discord
    assert discord.bot_token is not None
    return DiscordConfig(
        token=discord.bot_token.get_secret_value(),
        api_url=discord.api_url,
        gateway_url=discord.gateway_url,
        engagement=Engagement(discord.engagement),
        answers_here=settings.queue.kind == "embedded",
    )


async def problems_of(settings: Settings, name: str, *, is_running: bool) -> list[str]:
    """What the platform itself says is wrong, a line each. `is_running`: our own bot is connected at the moment."""
    if name == "slack":
        from adapters.platforms.slack import doctor as slack

        return await slack.problems(slack_config(settings))
    if name == "discord":
        from adapters.platforms.discord import doctor as discord

        return await discord.problems(discord_config(settings))
    from adapters.platforms.telegram import doctor as telegram

    config = telegram_config(settings)
    found = await telegram.problems(config)
    return found if found or is_running else await telegram.second_poller(config)


async def left_to_do(settings: Settings, name: str) -> list[str]:
    """What is not wrong there, but missing before people meet the bot, a line each."""
    if name != "discord":
        return []
    from adapters.platforms.discord import doctor as discord

    return await discord.left_to_do(discord_config(settings))


def _slack(settings: Settings) -> PlatformAdapter:
    from adapters.platforms.slack.adapter import SlackAdapter

    return SlackAdapter(slack_config(settings))


def _telegram(settings: Settings, store: Store, registry: Registry) -> PlatformAdapter:
    from adapters.platforms.telegram.adapter import TelegramAdapter

    async def moved(place: Place, new_place: Place) -> None:
        await store.move_conversation(place, new_place)

    return TelegramAdapter(telegram_config(settings), registry.commands, on_migrated=moved)


def _discord(settings: Settings, store: Store, registry: Registry) -> PlatformAdapter:
    from adapters.platforms.discord.adapter import DiscordAdapter
    from adapters.platforms.discord.config import PLATFORM

    async def conversations() -> Sequence[tuple[Place, str]]:
        return [(known.place, known.cursor) for known in await store.list_conversations(PLATFORM)]

    async def complete(what: str, person: str) -> list[str]:
        if what == "command":
            return [command.name for command in registry.commands if not command.hidden]
        identity = await store.find_identity(PLATFORM, "", person) if what == "profile" else None
        return [profile.name for profile in await store.get_memory_profiles(identity.user_id)] if identity else []

    return DiscordAdapter(discord_config(settings), registry.commands, complete=complete, conversations=conversations)
