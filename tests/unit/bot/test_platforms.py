"""Which adapters the settings turn on, and what they are given of the store."""

from __future__ import annotations

from adapters.clock import ManualClock
from adapters.platforms.discord import PLATFORM as DISCORD
from adapters.platforms.discord import DiscordAdapter
from adapters.platforms.telegram import Pace
from adapters.stores.memory import MemoryStore
from bot.platforms import configured_platforms, telegram_config
from bot.settings import settings_from
from core.commands.registry import build_registry
from core.types import ConversationKind, Place

TOKENS = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "TELEGRAM_BOT_TOKEN": "1:x",
    "DISCORD_BOT_TOKEN": "a.b.c",
}


def test_a_platform_is_on_when_its_token_is_set() -> None:
    store, registry = MemoryStore(ManualClock()), build_registry()
    assert list(configured_platforms(settings_from({}), store, registry)) == []
    made = list(configured_platforms(settings_from(TOKENS), store, registry))
    assert [adapter.name for adapter in made] == ["slack", "telegram", "discord"]


def test_the_send_budget_of_telegram_is_the_operators() -> None:
    assert telegram_config(settings_from(TOKENS)).pace == Pace()
    raised = {"TELEGRAM_SENDS_PER_SECOND": "500", "TELEGRAM_CHAT_SENDS_PER_SECOND": "20"}
    pace = telegram_config(settings_from(TOKENS | raised | {"TELEGRAM_GROUP_SENDS_PER_MINUTE": "90"})).pace
    assert (pace.overall, pace.chat, pace.group) == ((500, 1.0), (60, 3.0), (90, 60.0))


async def test_discord_offers_the_names_of_ones_own_profiles_and_knows_the_conversations() -> None:
    store, registry = MemoryStore(ManualClock()), build_registry()
    [adapter] = configured_platforms(settings_from({"DISCORD_BOT_TOKEN": "a.b.c"}), store, registry)
    assert isinstance(adapter, DiscordAdapter)
    complete, known = adapter._complete, adapter._intake._catch_up._conversations
    assert complete is not None
    assert known is not None
    identity, _ = await store.resolve_identity(DISCORD, "", "42", "Ann")
    await store.create_memory_profile(identity.user_id, "work")
    assert list(await complete("profile", "42")) == ["personal", "work"]
    assert list(await complete("profile", "43")) == []
    assert "forget" in await complete("command", "42")
    assert list(await complete("timezone", "42")) == []
    place = Place(DISCORD, "", "7")
    await store.resolve_conversation(place, ConversationKind.PRIVATE)
    assert list(await known()) == [(place, "")]
