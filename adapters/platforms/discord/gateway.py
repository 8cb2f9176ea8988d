"""Staying connected: the SDK's client gives up on some failures, and a new one takes its place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import discord

from adapters.platforms.discord.client import use_addresses, wanted_intents
from adapters.platforms.discord.config import DiscordConfig
from adapters.platforms.discord.errors import SDK_ERRORS
from core.errors import ConfigurationError

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
STABLE_SECONDS = 120.0
"""A connection that held so long was a good one: the next pause is a short one again."""

BuildClient = Callable[[discord.Intents], discord.Client]

_WRONG_TOKEN = (
    "DISCORD_BOT_TOKEN: Discord does not know this token; the Bot page of your application shows a new one "  # noqa: S105  # a sentence, no secret
    "(https://discord.com/developers/applications)"
)
_REFUSED = (4004, 4010, 4011, 4012, 4013)
"""Close codes after which trying again does not help: token, shard, version, intents
(https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway)."""


class Gateway:
    """Owns the client. `build` makes one with the intents that Discord grants."""

    def __init__(self, config: DiscordConfig, build: BuildClient) -> None:
        self._config = config
        self._build = build
        self._client: discord.Client | None = None
        self._login = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._has_content = True
        self._is_stopped = False

    async def start(self) -> None:
        """Log in and begin to listen. Raises ConfigurationError for a token that Discord does not know; a Discord that
        cannot be reached is tried again in the background."""
        try:
            await self.ready()
        except SDK_ERRORS as error:
            log.warning("Discord cannot be reached yet: %s", type(error).__name__)
        self._task = asyncio.create_task(self._keep_listening())

    async def stop(self) -> None:
        while self._task is not None and not self._task.done():
            # Perhaps twice: on Python 3.11 `wait_for`, which the SDK connects with, loses a cancellation that comes
            # together with its result.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1.0)
        self._is_stopped = True
        await self._drop()

    async def ready(self) -> discord.Client:
        """A client that is logged in, which is all it takes to send.

        Raises ConfigurationError for a token that Discord does not know, one of SDK_ERRORS when it cannot be reached or
        after the stop.
        """
        async with self._login:
            if self._is_stopped:
                raise RuntimeError("stopped")
            if self._client is None:
                self._client = await self._log_in()
            return self._client

    async def _log_in(self) -> discord.Client:
        use_addresses(self._config)
        client = self._build(wanted_intents(message_content=self._has_content))
        try:
            async with asyncio.timeout(self._config.request_timeout):
                await client.login(self._config.token)
        except BaseException as error:
            await client.close()
            if isinstance(error, discord.LoginFailure):
                raise ConfigurationError(_WRONG_TOKEN) from None
            raise
        return client

    async def _keep_listening(self) -> None:
        pause = self._config.retry_pause
        while True:
            began = time.monotonic()
            try:
                await (await self.ready()).connect()
            except ConfigurationError as error:
                log.error("Discord stays off: %s", error.user_message)
                return
            except discord.PrivilegedIntentsRequired:
                self._go_on_without_content()
            except Exception as error:
                # Anything: of a first connection that fails the SDK says AttributeError.
                if isinstance(error, discord.ConnectionClosed) and error.code in _REFUSED:
                    log.error("Discord stays off: it closed the connection for good (code %d)", error.code)
                    return
                log.warning("the connection to Discord is lost: %s", type(error).__name__)
            await self._drop()
            pause = self._config.retry_pause if time.monotonic() - began > STABLE_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _go_on_without_content(self) -> None:
        self._has_content = False
        log.warning(
            "Discord does not give this bot the text of messages that do not mention it: switch on the Message Content "
            "Intent on the Bot page of your application"
        )

    async def _drop(self) -> None:
        """The old client cannot be used again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
