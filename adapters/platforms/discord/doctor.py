"""What `memorychat doctor` and `setup` can learn from Discord itself. Nothing is changed."""

from __future__ import annotations

import asyncio

import discord

from adapters.platforms.discord.client import use_addresses
from adapters.platforms.discord.config import DiscordConfig
from adapters.platforms.discord.errors import SDK_ERRORS

SECONDS = 20.0


async def problems(config: DiscordConfig) -> list[str]:
    """One readable line each, none when all is well: the token and the intent that lets the bot read."""
    use_addresses(config)
    client = discord.Client(intents=discord.Intents.none())
    try:
        async with asyncio.timeout(SECONDS):
            await client.login(config.token)
            flags = (await client.application_info()).flags
    except discord.LoginFailure:
        return ["Discord does not know this token; the Bot page of your application shows a new one."]
    except (TimeoutError, *SDK_ERRORS) as error:
        return [f"Discord cannot be asked ({type(error).__name__}); check the network and DISCORD_API_URL."]
    finally:
        await client.close()
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return []
    return [
        "The Message Content Intent is off: switch it on on the Bot page of your application; until then the bot reads "
        "only what mentions it."
    ]
