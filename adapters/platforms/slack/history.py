"""Reading back what stands in Slack already: the thread a bot is called into, and what came while it was away."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.platforms.payload import Payload, parts_of, text_of
from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.errors import delivering
from adapters.platforms.slack.translate import TALK, BotSelf, history_message, mentioned, plain_text, with_names
from adapters.platforms.slack.workspace import Workspace
from core.messages import InboundMessage, ReplyAddress
from core.types import ConversationKind, Place

_Method = Callable[..., Awaitable[AsyncSlackResponse]]

PAGE = 200
MOST_PAGES = 5


class History:
    """Raises DeliveryError where Slack does not let the bot read."""

    def __init__(self, client: SlackClient, workspace: Workspace) -> None:
        self._client = client
        self._workspace = workspace

    async def thread(self, address: ReplyAddress, me: BotSelf, *, limit: int) -> list[tuple[str, str]]:
        """(speaker, text) of what was said in a thread before the bot was first called into it, oldest first.

        What was said to it since then it was told under a mode, or was to forget: that never comes back this way.
        """
        place = address.place
        earlier: deque[Payload] = deque(maxlen=limit)
        async for message in self._replies(place.chat_id, place.thread_id, oldest="0"):
            if me.user_id in (text_of(message, "user"), *mentioned(text_of(message, "text"))):
                break
            if text_of(message, "subtype") in (*TALK, "bot_message") and _before(message, address.reply_to):
                earlier.append(message)
        said = [(text_of(message, "user"), plain_text(text_of(message, "text"), me)) for message in earlier]
        everybody = {user for user, _ in said} | {user for _, text in said for user in mentioned(text)}
        names = await self._workspace.names(everybody - {""})
        return [(names.get(user, user or "a bot"), with_names(text, names)) for user, text in said if text]

    async def backlog(self, place: Place, cursor: str, since: datetime, me: BotSelf) -> AsyncIterator[InboundMessage]:
        """What people wrote after `cursor`, but not before `since`, oldest first, addressed to the bot or not. In a DM
        also in threads that began since then; older ones Slack does not list."""
        is_direct = place.chat_id.startswith("D")
        kind = ConversationKind.PRIVATE if is_direct else ConversationKind.SHARED
        start = max(f"{since.timestamp():.6f}", cursor, key=_seconds)
        found: list[Payload] = []
        if place.thread_id:
            found += [message async for message in self._replies(place.chat_id, place.thread_id, start)]
        else:
            async for root in self._top_level(place.chat_id, f"{since.timestamp():.6f}"):
                found.append(root)
                if is_direct and _seconds(text_of(root, "latest_reply")) > _seconds(start):
                    found += [reply async for reply in self._replies(place.chat_id, text_of(root, "ts"), start)]
        unique = {text_of(item, "ts"): item for item in found if _seconds(text_of(item, "ts")) > _seconds(start)}
        for ts in sorted(unique, key=_seconds):
            message = history_message(unique[ts], channel=place.chat_id, kind=kind, me=me, now=since)
            if message is not None and ts != place.thread_id:
                yield message

    def _replies(self, channel: str, thread: str, oldest: str) -> AsyncIterator[Payload]:
        return self._pages(self._client.web.conversations_replies, channel, oldest, ts=thread)

    def _top_level(self, channel: str, oldest: str) -> AsyncIterator[Payload]:
        return self._pages(self._client.web.conversations_history, channel, oldest)

    async def _pages(self, method: _Method, channel: str, oldest: str, **which: str) -> AsyncIterator[Payload]:
        page: str | None = None
        for _ in range(MOST_PAGES):
            with delivering():
                response = await method(channel=channel, oldest=oldest, limit=PAGE, cursor=page, **which)
            for message in parts_of({"messages": response.get("messages")}, "messages"):
                yield message
            page = text_of(response.get("response_metadata") or {}, "next_cursor") or None
            if page is None:
                return


def _seconds(ts: str) -> float:
    try:
        return float(ts)
    except ValueError:
        return 0.0


def _before(message: Payload, ts: str) -> bool:
    return not ts or _seconds(text_of(message, "ts")) < _seconds(ts)
