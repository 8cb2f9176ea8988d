"""Posting replies: into the chat, for one pair of eyes in a room, or as a direct message."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.platforms.slack.client import SDK_LOG, SlackClient
from adapters.platforms.slack.errors import delivering, error_code, retry_after_of
from adapters.platforms.slack.pace import Budget
from adapters.platforms.slack.render import Rendered, render_reply
from adapters.platforms.slack.workspace import Cache, Workspace
from core.errors import DeliveryError, DeliveryRateLimited, DeliveryRefused, DeliveryUnknown
from core.messages import OutboundFile, Reply, ReplyAddress
from core.types import Audience, ConversationKind

log = logging.getLogger(__name__)

FIXED = "fixed:"
"""Marks the id of something that arrived and cannot be edited: an ephemeral or direct message, a file."""

INTERACTION_SECONDS = 1_740.0
INTERACTION_USES = 5
"""A `response_url` works five times within 30 minutes (https://docs.slack.dev/interactivity/handling-user-interaction);
a minute is left to spare."""

_NOT_EDITABLE = ("message_not_found", "cant_update_message", "edit_window_closed")
_STILL_STREAMING = "streaming_state_conflict"
_SENT_DIRECTLY = "I wrote to you directly."


class Interactions:
    """The `response_url` of each open slash command and button press of this process, by the message's handle."""

    def __init__(self) -> None:
        self._open: Cache[tuple[str, int]] = Cache(seconds=INTERACTION_SECONDS)

    def open(self, handle: str, url: str) -> None:
        self._open.put(handle, (url, INTERACTION_USES))

    def take(self, handle: str) -> str:
        """The address, one use of it spent; `''` when the interaction is over, used up or of another process."""
        url, uses = self._open.get(handle) or ("", 0)
        if uses:
            self._open.put(handle, (url, uses - 1))
        return url if uses else ""

    def close(self, handle: str) -> None:
        self._open.put(handle, ("", 0))


class Outbound:
    """Every method raises DeliveryRateLimited, DeliveryUnknown or DeliveryRefused, with what had arrived before."""

    def __init__(self, client: SlackClient, workspace: Workspace, interactions: Interactions, budget: Budget) -> None:
        self.budget = budget
        self._client = client
        self._workspace = workspace
        self._interactions = interactions

    async def send(
        self, address: ReplyAddress, reply: Reply, known_ids: Sequence[str] = (), *, done: int = 0
    ) -> tuple[str, ...]:
        """Message ids in order. Known ones are edited into shape, but for the first `done`, which have it already, and
        those that Slack cannot edit."""
        if address.kind is ConversationKind.SHARED and reply.audience is Audience.ASKER:
            return await self._send_privately(address, reply, known_ids)
        if address.kind is ConversationKind.PRIVATE and address.handle:
            # A slash command in somebody's talk with somebody else: the bot cannot write there (`translate`, adapter).
            return await self._send_privately(address, reply, known_ids)
        messages = render_reply(reply)
        ids = await self._put(address.place.chat_id, address.thread_id, messages, known_ids, done)
        return await self._upload(address.place.chat_id, address.thread_id, reply.files, ids, known_ids)

    async def _put(
        self, channel: str, thread: str, messages: Sequence[Rendered], known_ids: Sequence[str] = (), done: int = 0
    ) -> tuple[str, ...]:
        """Edit or post so that these messages stand there; the first `done` of the known ones already do."""
        ids = list(known_ids[:done])
        try:
            for index, message in enumerate(messages[done:], start=done):
                known = known_ids[index] if index < len(known_ids) else ""
                ids.append(await self._put_one(channel, thread, message, known))
        except DeliveryError as error:
            error.sent_ids = (*ids, *known_ids[len(ids) :])
            raise
        return tuple(ids)

    async def edit(self, channel: str, ts: str, message: Rendered) -> None:
        """A stream that a crash left open has to be stopped before Slack lets it be edited."""
        with self.budget.sending(channel), delivering():
            try:
                await self._client.web.chat_update(channel=channel, ts=ts, **message.content)
            except SlackApiError as error:
                if error_code(error) != _STILL_STREAMING:
                    raise
                await self._client.web.chat_stopStream(channel=channel, ts=ts)
                await self._client.web.chat_update(channel=channel, ts=ts, **message.content)

    async def post(self, channel: str, thread: str, message: Rendered) -> str:
        with self.budget.sending(channel), delivering():
            response = await self._client.web.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                unfurl_links=False,
                unfurl_media=False,
                **message.content,
            )
        if thread:
            self._workspace.join_thread(channel, thread)
        return str(response.get("ts") or "")

    async def _put_one(self, channel: str, thread: str, message: Rendered, known: str) -> str:
        if known:
            try:
                await self.edit(channel, known, message)
            except DeliveryRefused as error:
                if error.args[0] not in _NOT_EDITABLE:
                    raise
            else:
                return known
        return await self.post(channel, thread, message)

    async def _send_privately(self, address: ReplyAddress, reply: Reply, known_ids: Sequence[str]) -> tuple[str, ...]:
        """By the interaction while it is open, else shown to the asker in the room, else by direct message. A file
        cannot be shown to one person, so a reply with files goes by direct message."""
        if reply.files:
            return await self._send_files_directly(address, reply, known_ids)
        ids = list(known_ids)
        messages = render_reply(reply)[len(ids) :]
        try:
            for message in messages:
                shown = await self._show(address, message)
                ids.append(shown)
        except DeliveryError as error:
            error.sent_ids = tuple(ids)
            raise
        return tuple(ids)

    async def _show(self, address: ReplyAddress, message: Rendered) -> str:
        if await self._respond_to(address.handle, message) or await self._show_in_room(address, message):
            return f"{FIXED}ephemeral"
        return FIXED + await self.post(await self._workspace.open_direct(address.recipient), "", message)

    async def _respond_to(self, handle: str, message: Rendered) -> bool:
        """Whether the interaction took it. One that Slack has closed is forgotten."""
        url = self._interactions.take(handle)
        if url and not await self.respond(url, message):
            self._interactions.close(handle)
            return False
        return bool(url)

    async def respond(self, url: str, message: Rendered) -> bool:
        """Answer at a `response_url`, for the asker alone; whether it was still open."""
        with delivering():
            webhook = AsyncWebhookClient(url, session=self._client.session, logger=SDK_LOG, retry_handlers=[])
            response = await webhook.send(response_type="ephemeral", replace_original=False, **message.content)
        if response.status_code == 429:
            raise DeliveryRateLimited("response_url", retry_after=retry_after_of(response.headers, 30.0))
        if response.status_code >= 500:
            raise DeliveryUnknown("response_url")
        return response.status_code == 200

    async def _show_in_room(self, address: ReplyAddress, message: Rendered) -> bool:
        """Only in a thread that exists: Slack shows nothing in one that is yet to be opened."""
        if address.kind is ConversationKind.PRIVATE:
            return False
        try:
            with delivering():
                await self._client.web.chat_postEphemeral(
                    channel=address.place.chat_id,
                    user=address.recipient,
                    thread_ts=address.place.thread_id or None,
                    **message.content,
                )
        except DeliveryRefused as error:
            log.info("not shown in the room: %s", error.args[0])
            return False
        return True

    async def _send_files_directly(
        self, address: ReplyAddress, reply: Reply, known_ids: Sequence[str]
    ) -> tuple[str, ...]:
        channel = await self._workspace.open_direct(address.recipient)
        ids = await self._put(channel, "", render_reply(reply), known_ids)
        ids = await self._upload(channel, "", reply.files, ids, known_ids)
        with suppress(DeliveryError):
            await self._show(address, Rendered(_SENT_DIRECTLY))
        return ids

    async def _upload(
        self, channel: str, thread: str, files: Sequence[OutboundFile], ids: tuple[str, ...], known_ids: Sequence[str]
    ) -> tuple[str, ...]:
        """Files follow the text; those that an earlier try uploaded stand behind its message ids."""
        done = known_ids[len(ids) :]
        sent = [*ids, *done]
        try:
            for file in files[len(done) :]:
                with delivering():
                    response = await self._client.web.files_upload_v2(
                        filename=file.name,
                        title=file.name,
                        content=file.data,
                        channel=channel,
                        thread_ts=thread or None,
                    )
                sent.append(FIXED + _file_id(response.get("files")))
        except DeliveryError as error:
            error.sent_ids = tuple(sent)
            raise
        return tuple(sent)


def _file_id(files: Any) -> str:
    first = files[0] if isinstance(files, list) and files else {}
    return str(first.get("id", "file")) if isinstance(first, Mapping) else "file"
