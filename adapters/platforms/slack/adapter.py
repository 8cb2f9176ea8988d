"""Slack as a `PlatformAdapter`: receiving by Socket Mode or HTTP, answering by the Web API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.config import CAPABILITIES, PLATFORM, SlackConfig
from adapters.platforms.slack.errors import BAD_TOKEN, NOT_HERE, SDK_ERRORS, delivering, error_code, refused_token
from adapters.platforms.slack.files import fetch
from adapters.platforms.slack.history import History
from adapters.platforms.slack.intake import Intake
from adapters.platforms.slack.manifest import SCOPES
from adapters.platforms.slack.outbound import Interactions, Outbound
from adapters.platforms.slack.pace import Budget
from adapters.platforms.slack.receiver import HttpAnswer, Receiver
from adapters.platforms.slack.render import render_reply
from adapters.platforms.slack.stream import SlackStream, Streaming
from adapters.platforms.slack.translate import BotSelf
from adapters.platforms.slack.workspace import Workspace
from core.capabilities import PlatformCapabilities
from core.errors import ConfigurationError
from core.messages import Attachment, InboundMessage, Reply, ReplyAddress
from core.ports import Acceptor
from core.types import Audience, ConversationKind, Place, PlatformName, TurnId

log = logging.getLogger(__name__)

INSTALL_HINT = "install the app that `memorychat slack-manifest` describes and copy its bot token"
RECONNECT = (1.0, 60.0)
"""Seconds between two tries to reach Slack at the start: the first and the longest."""


class SlackAdapter:
    """One bot in one workspace. Sending alone needs no `start`."""

    def __init__(self, config: SlackConfig) -> None:
        self._config = config
        self._client = SlackClient(config)
        self._workspace = Workspace(self._client)
        interactions = Interactions()
        self._outbound = Outbound(self._client, self._workspace, interactions, Budget(config.pace))
        self._streaming = Streaming(self._client, self._outbound)
        self._history = History(self._client, self._workspace)
        self._intake = Intake(self._workspace, interactions, self._outbound, self._self)
        self._receiver = Receiver(config, self._intake.handle)
        self._me: BotSelf | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._has_status = True

    @property
    def name(self) -> PlatformName:
        return PLATFORM

    @property
    def capabilities(self) -> PlatformCapabilities:
        return CAPABILITIES

    async def start(self, accept: Acceptor) -> None:
        """Raises ConfigurationError for tokens that Slack refuses. A Slack that cannot be reached is tried again in
        the background."""
        self._intake.accept = accept
        try:
            await self._connect()
        except SDK_ERRORS as error:
            log.warning("Slack cannot be reached: %s", error_code(error) or type(error).__name__)
            self._connecting = asyncio.create_task(self._connect_later())

    async def stop(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        await self._receiver.close()
        await self._intake.drain()
        await self._client.close()

    async def is_connected(self) -> bool:
        """Whether the socket is up, for `doctor` and health checks."""
        return await self._receiver.is_connected()

    async def missing_scopes(self) -> tuple[str, ...]:
        """What the manifest asks for and the token does not have, for `doctor`; all of it where a server does not tell.

        Raises ConfigurationError for a token that Slack refuses, DeliveryError when Slack cannot be reached.
        """
        with delivering(), refused_token("SLACK_BOT_TOKEN", INSTALL_HINT):
            response = await self._client.web.auth_test()
        granted = str(response.headers.get("x-oauth-scopes") or "").replace(" ", "").split(",")
        return tuple(scope for scope in SCOPES if scope not in granted)

    async def handle_http(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Status, headers and body of the answer to a POST of Slack."""
        return await self._receiver.handle_http(headers, body)

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        ids = await self._outbound.send(address, reply, known_ids)
        if reply.audience is Audience.ASKER and address.kind is ConversationKind.SHARED:
            # Slack ends the status with a message in the thread, which a private answer is not.
            await self._show_status(address, "")
        return ids

    def parts(self, reply: Reply) -> int:
        return len(render_reply(reply)) + len(reply.files)

    async def open_stream(self, address: ReplyAddress, *, turn_id: TurnId, nonce: str) -> SlackStream:
        return self._streaming.open(address)

    async def edit(self, address: ReplyAddress, message_id: str, reply: Reply) -> None:
        await self._outbound.edit(address.place.chat_id, message_id, render_reply(reply)[0])

    async def typing(self, address: ReplyAddress) -> None:
        """The status line of an agent's thread, which Slack removes with the answer. Given up where it is not known."""
        await self._show_status(address, "is thinking…")

    async def _show_status(self, address: ReplyAddress, status: str) -> None:
        if not self._has_status or not address.thread_id or address.handle:
            return
        try:
            await self._client.web.assistant_threads_setStatus(
                channel_id=address.place.chat_id, thread_ts=address.thread_id, status=status
            )
        except SDK_ERRORS as error:
            self._has_status = error_code(error) not in (*NOT_HERE, *BAD_TOKEN)

    async def thread_history(self, address: ReplyAddress, *, limit: int) -> list[tuple[str, str]]:
        with delivering():
            me = await self._self()
        return await self._history.thread(address, me, limit=limit)

    async def backlog(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[InboundMessage]:
        with delivering():
            me = await self._self()
        async for message in self._history.backlog(place, cursor, since, me):
            if (addressed := await self._intake.addressed(message)) is not None:
                yield await self._intake.introduced(addressed)

    async def gap(self) -> datetime:
        return await self._receiver.gap()

    async def fetch(self, attachment: Attachment, *, max_bytes: int) -> bytes:
        return await fetch(self._client, attachment, max_bytes=max_bytes)

    # -- connecting ---------------------------------------------------------------------------------------------------

    async def _self(self) -> BotSelf:
        if self._me is None:
            response = await self._client.web.auth_test()
            ids = {field: str(response.get(field) or "") for field in ("team_id", "user_id", "bot_id")}
            self._me = BotSelf(**ids, engagement=self._config.engagement)
        return self._me

    async def _connect(self) -> None:
        with refused_token("SLACK_BOT_TOKEN", INSTALL_HINT):
            self._receiver.open(await self._self())
        if self._config.app_token:
            with refused_token("SLACK_APP_TOKEN", "it begins with xapp- and needs the scope connections:write"):
                response = await self._client.web.apps_connections_open(app_token=self._config.app_token)
            await self._receiver.connect(str(response.get("url")), self._client.web)

    async def _connect_later(self) -> None:
        wait, longest = RECONNECT
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, longest)
            try:
                return await self._connect()
            except ConfigurationError as error:
                log.error("Slack stays off: %s", "; ".join(error.problems))
                return None
            except SDK_ERRORS as error:
                log.warning("Slack cannot be reached: %s", error_code(error) or type(error).__name__)
