"""From a request of Slack to the core: translated, completed, in order, and acknowledged when it is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from slack_bolt.response import BoltResponse

from adapters.platforms.payload import Payload, text_of
from adapters.platforms.slack.outbound import Interactions, Outbound
from adapters.platforms.slack.render import Rendered
from adapters.platforms.slack.translate import BotSelf, is_interaction, may_join, mentioned, translate, with_names
from adapters.platforms.slack.workspace import Workspace
from core.errors import DeliveryError, MemoryChatError, StoreError
from core.locks import KeyedLocks
from core.messages import Acceptance, InboundEvent, InboundMessage, RoomRole
from core.ports import Acceptor
from core.types import ConversationKind

log = logging.getLogger(__name__)

INTERACTION_DEADLINE = 2.0
"""Seconds after which a slash command or press is acknowledged although it is not stored yet: Slack waits three, and
sends neither again."""

MOST_NAMES = 10
"""Mentioned people whose names are looked up for one message."""

DRAIN_SECONDS = 5.0


class Intake:
    """`accept` is the core's, set before the first request."""

    def __init__(
        self,
        workspace: Workspace,
        interactions: Interactions,
        outbound: Outbound,
        whoami: Callable[[], Awaitable[BotSelf]],
    ) -> None:
        self._workspace = workspace
        self._interactions = interactions
        self._outbound = outbound
        self._self = whoami
        self._order = KeyedLocks()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accept: Acceptor | None = None

    async def handle(self, body: Payload) -> BoltResponse:
        """Slack's answer to one request: 200 once it is durable or of no use, 503 to have it sent again."""
        event = translate(body, await self._self(), datetime.now(UTC))
        if event is None:
            return BoltResponse(status=200)
        if is_interaction(body):
            if isinstance(event, InboundMessage) and event.handle:
                self._interactions.open(event.handle, text_of(body, "response_url"))
            task = asyncio.create_task(self._interact(event, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.wait({task}, timeout=INTERACTION_DEADLINE)
            return BoltResponse(status=200)
        try:
            await self._take(event)
        except StoreError as error:
            log.error("not stored, so not acknowledged: %s", error.code)
            return BoltResponse(status=503)
        return BoltResponse(status=200)

    async def _interact(self, event: InboundEvent, body: Payload) -> None:
        """Slack does not send a command or press again, so whoever waits for it is told that it failed."""
        try:
            await self._take(event)
        except MemoryChatError as error:
            log.error("interaction not stored: %s", error.code)
            await self._tell(body, error.user_message)
        except Exception as error:
            log.error("interaction failed: %s", type(error).__name__, exc_info=error)
            await self._tell(body, MemoryChatError.user_message)

    async def _tell(self, body: Payload, sentence: str) -> None:
        with suppress(DeliveryError):
            await self._outbound.respond(text_of(body, "response_url"), Rendered(sentence))

    async def _take(self, event: InboundEvent) -> None:
        """Hand an event to the core, in the order of arrival in each chat."""
        assert self.accept is not None
        async with self._order.holding(event.place.chat_id):
            if not isinstance(event, InboundMessage):
                await self.accept(event)
                return
            message = await self.addressed(event)
            if message is None:
                return
            acceptance = await self.accept(await self.introduced(await self._at_home(message)))
            if acceptance is not Acceptance.REFUSED and message.reply_thread:
                self._workspace.join_thread(message.place.chat_id, message.reply_thread)

    async def addressed(self, message: InboundMessage) -> InboundMessage | None:
        """None for what was said among others; what is said in a thread that the bot takes part in is for it."""
        if message.addressed:
            return message
        place = message.place
        if not may_join(message):
            return None
        joined = await self._workspace.is_in_thread(place.chat_id, place.thread_id, await self._self())
        return replace(message, addressed=True) if joined else None

    async def _at_home(self, message: InboundMessage) -> InboundMessage:
        """A slash command in a DM: belongs to the talk with the bot, also when typed in one with somebody else. Only
        there its handle stays, because the bot can answer there in no other way."""
        if not message.handle or message.kind is ConversationKind.SHARED:
            return message
        home = await self._workspace.direct_channel(message.sender.external_id)
        if home == message.place.chat_id:
            return replace(message, handle="")
        return replace(message, place=replace(message.place, chat_id=home)) if home else message

    async def introduced(self, message: InboundMessage) -> InboundMessage:
        """With the names, the language and the standing in the room that Slack leaves out of its events."""
        user, in_room = message.sender.external_id, message.kind is ConversationKind.SHARED
        ids = [user, *mentioned(message.text)[:MOST_NAMES]]
        names, person = await asyncio.gather(self._workspace.names(ids), self._workspace.person(user))
        manages = in_room and await self._workspace.is_manager(message.place.chat_id, user)
        sender = replace(
            message.sender,
            display_name=person.name or message.sender.display_name,
            role=RoomRole.MANAGER if manages else RoomRole.MEMBER,
            language=person.language,
        )
        return replace(message, sender=sender, text=with_names(message.text, names))

    async def drain(self) -> None:
        """Wait for what was acknowledged early."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
