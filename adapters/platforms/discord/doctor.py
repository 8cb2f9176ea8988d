"""What `memorychat doctor` can learn from Discord itself. Nothing is changed and no connection is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord

from adapters.platforms.discord.client import use_addresses, wanted_intents
from adapters.platforms.discord.config import DiscordConfig
from adapters.platforms.discord.errors import SDK_ERRORS

RIGHTS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
)


async def problems(config: DiscordConfig) -> list[str]:
    """One readable line each, none when all is well."""
    try:
        async with _logged_in(config) as client:
            flags = client.application_flags
    except discord.LoginFailure:
        return ["Discord does not know this token; the Bot page of your application shows a new one."]
    except SDK_ERRORS as error:
        return [f"Discord cannot be asked ({type(error).__name__}); check the network and DISCORD_API_URL."]
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return []
    return [
        "The Message Content Intent is off: in servers the bot reads only messages that mention it. Switch it on at "
        "the Bot page of your application."
    ]


async def left_to_do(config: DiscordConfig) -> list[str]:
    """What is not wrong, but missing before people meet the bot; nothing where Discord cannot be asked."""
    try:
        async with _logged_in(config) as client:
            if [server async for server in client.fetch_guilds(limit=1)] or client.application_id is None:
                return []
            return [f"The bot is in no server yet; this page adds it to one: {invite_url(client.application_id)}"]
    except SDK_ERRORS:
        return []


@asynccontextmanager
async def _logged_in(config: DiscordConfig) -> AsyncIterator[discord.Client]:
    use_addresses(config)
    client = discord.Client(intents=wanted_intents(message_content=True))
    try:
        await client.login(config.token)
        yield client
    finally:
        await client.close()


def invite_url(application_id: int) -> str:
    """The page where somebody adds the bot to a server, with the rights that it needs."""
    return discord.utils.oauth_url(application_id, permissions=RIGHTS, scopes=("bot", "applications.commands"))
