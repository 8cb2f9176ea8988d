"""A reply that grows: Slack's own streaming, with edits where a server or a channel does not have it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import StrEnum

from slack_sdk.errors import SlackApiError

from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.errors import NOT_HERE, delivering, error_code
from adapters.platforms.slack.outbound import Outbound
from adapters.platforms.slack.render import Rendered, render_preview, render_reply
from core.errors import DeliveryError, DeliveryRefused, DeliveryUnknown
from core.messages import Reply, ReplyAddress
from core.types import ConversationKind

_ENDED = "message_not_in_streaming_state"
"""Slack ends a stream by itself after some minutes, or when nothing came for a while."""

_NOT_IN_THIS_CHAT = (
    *NOT_HERE,
    "channel_type_not_supported",
    "method_not_supported_for_channel_type",
    "invalid_thread_ts",
)


class Streaming:
    """Whether this server has `chat.startStream`: found out once for all replies."""

    def __init__(self, client: SlackClient, outbound: Outbound) -> None:
        self.client = client
        self.outbound = outbound
        self.is_native = True

    def open(self, address: ReplyAddress) -> SlackStream:
        """Nothing is shown before the end where the answer goes to an open interaction: that cannot be edited."""
        if address.handle:
            return SlackStream(self, address, _State.SILENT)
        return SlackStream(self, address, _State.UNSTARTED if address.thread_id else _State.EDITED)


class _State(StrEnum):
    """SILENT shows only the end; EDITED is an ordinary message; the others are those of Slack's stream, which at its
    end holds all that its message should (COMPLETE) or not (STOPPED)."""

    SILENT = "silent"
    EDITED = "edited"
    UNSTARTED = "unstarted"
    OPEN = "open"
    STOPPED = "stopped"
    COMPLETE = "complete"


class SlackStream:
    """One message while it grows; what does not fit into it follows at the end.

    `_shown` is what Slack surely has of it. After a failed append nothing is sure, and the end replaces the whole text.
    """

    def __init__(self, streaming: Streaming, address: ReplyAddress, state: _State) -> None:
        self._streaming = streaming
        self._client = streaming.client
        self._outbound = streaming.outbound
        self._address = address
        self._channel = address.place.chat_id
        self._state = state
        self._ids: tuple[str, ...] = ()
        self._shown = ""
        self._is_sure = True
        self._update: asyncio.Task[None] | None = None

    @property
    def message_ids(self) -> tuple[str, ...]:
        return self._ids

    @property
    def _ts(self) -> str:
        return self._ids[0] if self._ids else ""

    async def update(self, text: str) -> None:
        """Show the text so far, as much of it as one message holds. Raises as `PlatformAdapter.send`.

        A caller that is cancelled leaves the call under way, whose effect `finish` has to know: a message begun here
        would stand half beside the whole one.
        """
        self._update = asyncio.create_task(self._show(text))
        self._update.add_done_callback(_seen)
        await asyncio.shield(self._update)

    async def _show(self, text: str) -> None:
        shown = render_preview(text)
        if not shown or self._state is _State.SILENT or shown == self._shown:
            return
        try:
            self._outbound.budget.preview(self._channel)
            if self._state is _State.EDITED or not self._streaming.is_native:
                await self._edit(shown)
            else:
                await self._grow(shown)
        except DeliveryError as error:
            error.sent_ids = self.message_ids
            raise

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        """The final form. May be called again after it raised: what was done stays done."""
        if self._update is not None:
            await asyncio.wait({self._update})
        if not self._is_sure and not self._ids:
            reply = replace(reply, maybe_duplicate=True)
        first = render_reply(reply)[0]
        try:
            if self._state is _State.OPEN:
                await self._stop(first)
            is_edited_already = self._state is _State.EDITED and first == Rendered(self._shown)
            done = int(self._state is _State.COMPLETE or is_edited_already)
            self._ids = await self._outbound.send(self._address, reply, self._ids, done=done)
        except DeliveryError as error:
            self._ids = error.sent_ids = error.sent_ids or self._ids
            raise
        return self._ids

    async def _grow(self, shown: str) -> None:
        """Append what is new. Rendering can change what stands already; then the stream waits for its end."""
        new = shown.removeprefix(self._shown) if self._is_sure and shown.startswith(self._shown) else ""
        if not new.strip():
            return
        try:
            with self._outbound.budget.sending(self._channel, preview=True), delivering():
                try:
                    await (self._append(new) if self._ts else self._start(new))
                except SlackApiError as error:
                    if not self._falls_back(error_code(error)):
                        raise
        except DeliveryUnknown:
            self._is_sure = False
            raise
        if self._state is _State.EDITED:
            await self._edit(shown)
        else:
            self._shown = shown

    async def _start(self, text: str) -> None:
        in_room = self._address.kind is ConversationKind.SHARED
        response = await self._client.web.chat_startStream(
            channel=self._channel,
            thread_ts=self._address.thread_id,
            markdown_text=text,
            recipient_team_id=self._address.place.workspace_id if in_room else None,
            recipient_user_id=self._address.recipient if in_room else None,
        )
        self._ids = (str(response.get("ts") or ""),)
        self._state = _State.OPEN

    async def _append(self, text: str) -> None:
        await self._client.web.chat_appendStream(channel=self._channel, ts=self._ts, markdown_text=text)

    def _falls_back(self, code: str) -> bool:
        """Whether edits do instead: for good where the server has no streaming, else for this reply."""
        if code in NOT_HERE:
            self._streaming.is_native = False
        if code == _ENDED or (code in _NOT_IN_THIS_CHAT and not self._ts):
            self._state = _State.EDITED
        return self._state is _State.EDITED

    async def _edit(self, shown: str) -> None:
        if shown == self._shown:
            return
        if self._ts:
            await self._outbound.edit(self._channel, self._ts, Rendered(shown))
        else:
            self._ids = (await self._outbound.post(self._channel, self._address.thread_id, Rendered(shown)),)
        self._shown = shown

    async def _stop(self, first: Rendered) -> None:
        """End the stream with what is missing; where that is not possible the whole text is put in its place later."""
        fits = self._is_sure and first.markdown.startswith(self._shown)
        rest = first.markdown.removeprefix(self._shown) if fits else ""
        try:
            with self._outbound.budget.sending(self._channel), delivering():
                await self._client.web.chat_stopStream(
                    channel=self._channel,
                    ts=self._ts,
                    markdown_text=rest or None,
                    blocks=(list(first.extras) or None) if fits else None,
                )
        except DeliveryRefused:
            # Ended by Slack meanwhile, or removed by somebody: the text goes its ordinary way.
            fits = False
        self._state = _State.COMPLETE if fits else _State.STOPPED


def _seen(task: asyncio.Task[None]) -> None:
    """An error that nobody waits for any more is in the stream's state already."""
    if not task.cancelled():
        task.exception()
