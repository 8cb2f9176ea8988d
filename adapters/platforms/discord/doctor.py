"""What `memorychat doctor` can learn from Discord itself. Nothing is changed and no connection is opened."""

from __future__ import annotations

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
    use_addresses(config)
    client = discord.Client(intents=wanted_intents(message_content=True))
    try:
        await client.login(config.token)
        is_alone = not [server async for server in client.fetch_guilds(limit=1)]
        return _of(client, is_alone)
    except discord.LoginFailure:
        return ["Discord does not know this token; the Bot page of your application shows a new one."]
    except SDK_ERRORS as error:
        return [f"Discord cannot be asked ({type(error).__name__}); check the network and DISCORD_API_URL."]
    finally:
        await client.close()


def invite_url(application_id: int) -> str:
    """The page where somebody adds the bot to a server, with the rights that it needs."""
    return discord.utils.oauth_url(application_id, permissions=RIGHTS, scopes=("bot", "applications.commands"))


def _of(client: discord.Client, is_alone: bool) -> list[str]:
    found = []
    flags = client.application_flags
    if not (flags.gateway_message_content or flags.gateway_message_content_limited):
        found.append(
            "The Message Content Intent is off: in servers the bot reads only messages that mention it. Switch it on "
            "at the Bot page of your application."
        )
    if is_alone and client.application_id is not None:
        found.append(f"The bot is in no server yet; this page adds it to one: {invite_url(client.application_id)}")
    return found
