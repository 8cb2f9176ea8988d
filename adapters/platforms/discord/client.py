"""The SDK's client, made to measure: what it hears, what it keeps, and that no event can bring it down."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.platforms.discord.buttons import CommandButton
from adapters.platforms.discord.commands import CommandSpec, Complete, build_tree, sync
from adapters.platforms.discord.config import DiscordConfig

log = logging.getLogger(__name__)

MAX_WAIT = 30.0
"""Seconds that the SDK itself waits for a rate limit to pass; of longer ones the core is told."""


class Listener(Protocol):
    """Who wants to know."""

    async def message(self, message: discord.Message) -> None: ...

    async def edited(self, message: discord.Message) -> None: ...

    async def deleted(self, message_ids: Sequence[int], channel_id: int) -> None: ...

    async def asked(self, interaction: discord.Interaction, command: str) -> None: ...

    def connected(self, *, is_resumed: bool) -> None: ...


def use_addresses(config: DiscordConfig) -> None:
    """The SDK keeps the addresses of Discord in its classes."""
    Route.BASE = config.api_url.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(config.gateway_url)


def wanted_intents(*, message_content: bool) -> discord.Intents:
    """Without `message_content` (a privilege) only messages to the bot and those that mention it have their text."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=message_content)


class DiscordClient(discord.Client):
    """Keeps no messages: what bystanders say is never held, not even in memory."""

    def __init__(
        self, listener: Listener, commands: Sequence[CommandSpec], complete: Complete | None, intents: discord.Intents
    ) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            max_ratelimit_timeout=MAX_WAIT,
            chunk_guilds_at_startup=False,
        )
        self._listener = listener
        self.tree = build_tree(self, commands, listener.asked, complete)
        self.add_dynamic_items(CommandButton)
        _guard(self._connection.parsers)

    async def setup_hook(self) -> None:
        if self.tree.get_commands():
            await sync(self.tree)

    async def pressed(self, interaction: discord.Interaction, command: str) -> None:
        await self._listener.asked(interaction, command)

    async def on_connect(self) -> None:
        """Earlier than `on_ready`, before which messages come already."""
        self._listener.connected(is_resumed=False)

    async def on_resumed(self) -> None:
        self._listener.connected(is_resumed=True)

    async def on_message(self, message: discord.Message) -> None:
        await self._listener.message(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        await self._listener.edited(payload.message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._listener.deleted([payload.message_id], payload.channel_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        await self._listener.deleted(sorted(payload.message_ids), payload.channel_id)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """One event is lost, the others go on."""
        error = sys.exc_info()[1]
        log.error("%s failed: %s", event_method, type(error).__name__, exc_info=error)


def _guard(parsers: dict[str, Callable[[Any], Any]]) -> None:
    """The SDK gives up the connection when an event lacks a field that it counts on; one such event is no reason to
    hear nobody any more. It has no public place to say so (a test holds this to the pinned version)."""
    for event, parse in parsers.items():
        parsers[event] = partial(_parse_or_drop, event, parse)


def _parse_or_drop(event: str, parse: Callable[[Any], Any], data: Any) -> Any:
    try:
        return parse(data)
    except Exception as error:
        log.warning("an event %s could not be read: %s", event, type(error).__name__)
        return None
