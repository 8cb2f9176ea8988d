"""The platform adapters that the settings turn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.settings import Settings
from core.commands.registry import Registry
from core.ports import PlatformAdapter, Store
from core.types import Place


def configured_platforms(settings: Settings, store: Store, registry: Registry) -> Iterator[PlatformAdapter]:
    """One adapter for each platform whose token is set. The SDKs are imported only then."""
    if settings.slack.bot_token is not None:
        yield _slack(settings)
    if settings.telegram.bot_token is not None:
        yield _telegram(settings, store, registry)
    if settings.discord.bot_token is not None:
        yield _discord(settings, store, registry)


def _slack(settings: Settings) -> PlatformAdapter:
    from adapters.platforms.slack.adapter import SlackAdapter
    from adapters.platforms.slack.config import Engagement, SlackConfig

    slack = settings.slack
    assert slack.bot_token is not None
    return SlackAdapter(
        SlackConfig(
            bot_token=slack.bot_token.get_secret_value(),
            app_token=slack.app_token.get_secret_value() if slack.app_token else "",
            signing_secret=slack.signing_secret.get_secret_value() if slack.signing_secret else "",
            base_url=slack.base_url,
            engagement=Engagement(slack.engagement),
        )
    )


def _telegram(settings: Settings, store: Store, registry: Registry) -> PlatformAdapter:
    from adapters.platforms.telegram.adapter import TelegramAdapter
    from adapters.platforms.telegram.config import Engagement, TelegramConfig

    async def moved(place: Place, new_place: Place) -> None:
        await store.move_conversation(place, new_place)

    telegram = settings.telegram
    assert telegram.bot_token is not None
    config = TelegramConfig(
        token=telegram.bot_token.get_secret_value(),
        base_url=telegram.base_url,
        base_file_url=telegram.base_file_url,
        engagement=Engagement(telegram.engagement),
        webhook_url=telegram.webhook_url or "",
        webhook_secret=telegram.webhook_secret.get_secret_value() if telegram.webhook_secret else "",
    )
    return TelegramAdapter(config, registry.commands, on_migrated=moved)


def _discord(settings: Settings, store: Store, registry: Registry) -> PlatformAdapter:
    from adapters.platforms.discord.adapter import DiscordAdapter
    from adapters.platforms.discord.config import PLATFORM, DiscordConfig, Engagement

    async def conversations() -> Sequence[tuple[Place, str]]:
        return [(known.place, known.cursor) for known in await store.list_conversations(PLATFORM)]

    async def complete(what: str, person: str) -> list[str]:
        if what == "command":
            return [command.name for command in registry.commands if not command.hidden]
        identity = await store.find_identity(PLATFORM, "", person) if what == "profile" else None
        return [profile.name for profile in await store.get_memory_profiles(identity.user_id)] if identity else []

    discord = settings.discord
    assert discord.bot_token is not None
    config = DiscordConfig(
        token=discord.bot_token.get_secret_value(),
        api_url=discord.api_url,
        gateway_url=discord.gateway_url,
        engagement=Engagement(discord.engagement),
    )
    return DiscordAdapter(config, registry.commands, complete=complete, conversations=conversations)
