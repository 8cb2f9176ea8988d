"""Slack payloads → domain objects. Pure: dictionaries in, no I/O, nothing raised for a payload of any shape.

Shapes: https://docs.slack.dev/reference/events/message, /reference/events/app_mention,
/interactivity/implementing-slash-commands and /reference/interaction-payloads/block_actions-payload there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.platforms.payload import Payload, number_of, part_of, parts_of, text_of
from adapters.platforms.slack.config import PLATFORM, UMBRELLA, Engagement
from core.messages import Attachment, InboundEvent, InboundMessage, MessageDeleted, MessageEdited, Sender
from core.types import Audience, ConversationKind, Place

TALK = ("", "file_share", "thread_broadcast", "me_message")
"""The subtypes that a person's own words come in; the others tell of joins, topics, bots and so on."""

_KINDS = ("image", "audio", "video")
_MARKUP = re.compile(r"<([@#!][^<>]*|[a-z][a-z0-9+.-]*:[^<>]*)>")
_USER = re.compile(r"@([UW][A-Z0-9]{2,})\b")
_OPENS_WITH_MENTION = re.compile(r"\s*<@([UW][A-Z0-9]+)")


@dataclass(frozen=True, slots=True)
class BotSelf:
    """Who the bot is in its workspace.

    `team_id` is the workspace of every place and identity, also where a payload names a guest's: the bot lives in one.
    """

    team_id: str
    user_id: str
    bot_id: str
    engagement: Engagement = Engagement.MENTION


def translate(body: Payload, me: BotSelf, now: datetime) -> InboundEvent | None:
    """One request of Slack as the core wants it; None for what means nothing to it (joins, bots, unknown kinds).

    `now` dates slash commands, which carry no time of their own. A message in somebody else's thread is not
    `addressed`; whether the bot takes part in that thread is the adapter's to find out (`may_join`).
    """
    if event := part_of(body, "event"):
        return _event(event, me, now)
    if text_of(body, "command"):
        return _command(body, me, now)
    if text_of(body, "type") == "block_actions":
        return _pressed(body, me, now)
    return None


def is_interaction(body: Payload) -> bool:
    """A slash command or a button press: somebody waits for it, and Slack does not send it again."""
    return "event" not in body and (bool(text_of(body, "command")) or text_of(body, "type") == "block_actions")


def may_join(message: InboundMessage) -> bool:
    """Whether a message that does not mention the bot could still be for it: in a thread, and not opening with
    somebody else's name."""
    return bool(message.place.thread_id) and not _OPENS_WITH_MENTION.match(text_of(message.raw, "text"))


def with_names(text: str, names: Mapping[str, str]) -> str:
    """The translated text with `@U024BE7LH` written as `@name` where the name is known."""
    return _USER.sub(lambda found: "@" + names.get(found[1], found[1]), text)


def mentioned(text: str) -> list[str]:
    """The user ids that a translated text names, in order, each once."""
    return list(dict.fromkeys(_USER.findall(text)))


def event_id_of(channel: str, ts: str) -> str:
    """One message can arrive as two events (message and app_mention), so that their `event_id` is no key."""
    return f"{channel}:{ts}"


def history_message(
    item: Payload, *, channel: str, kind: ConversationKind, me: BotSelf, now: datetime
) -> InboundMessage | None:
    """A message as `conversations.history` and `conversations.replies` give it: without its channel."""
    channel_type = "im" if kind is ConversationKind.PRIVATE else "channel"
    event = {**item, "channel": channel, "channel_type": channel_type}
    return _message(event, me, now) if text_of(event, "subtype") in TALK else None


def _event(event: Payload, me: BotSelf, now: datetime) -> InboundEvent | None:
    if text_of(event, "type") not in ("message", "app_mention"):
        return None
    match text_of(event, "subtype"):
        case "message_changed":
            return _changed(event, me)
        case "message_deleted":
            return _deleted(event, text_of(event, "deleted_ts"), part_of(event, "previous_message"), me)
        case subtype if subtype in TALK:
            return _message(event, me, now)
    return None


def _message(event: Payload, me: BotSelf, now: datetime) -> InboundMessage | None:
    channel, ts, user = text_of(event, "channel"), text_of(event, "ts"), text_of(event, "user")
    is_refired = text_of(event, "type") == "app_mention" and "edited" in event
    if not (channel and ts) or not _is_person(event, me) or is_refired:
        return None
    kind = _kind(event)
    addressed = kind is ConversationKind.PRIVATE or _is_addressed(event, me)
    if kind is ConversationKind.SHARED and me.engagement is Engagement.OFF:
        return None
    place = _place(event, channel, me)
    root = text_of(event, "thread_ts")
    shared = [item for item in parts_of(event, "attachments") if item.get("is_share") is True]
    return InboundMessage(
        place=place,
        kind=kind,
        sender=Sender(user),
        text=plain_text("\n".join(filter(None, (text_of(item, "text") for item in (event, *shared)))), me),
        event_id=event_id_of(channel, ts),
        sent_at=_time(ts, now),
        message_id=ts,
        addressed=addressed,
        attachments=tuple(_attachment(file) for item in (event, *shared) for file in parts_of(item, "files")),
        reply_to=root if root != ts else "",
        reply_thread=root or ts,
        thread_root=event_id_of(channel, place.thread_id) if place.thread_id else "",
        cursor=ts,
        forwarded=bool(shared),
        raw=event,
    )


def _changed(event: Payload, me: BotSelf) -> MessageEdited | MessageDeleted | None:
    """Slack also reports a change when a link is unfurled or a thread gets a reply: the text is the same then."""
    message, before = part_of(event, "message"), part_of(event, "previous_message")
    channel, ts = text_of(event, "channel"), text_of(message, "ts")
    if text_of(message, "subtype") == "tombstone":
        return _deleted(event, ts, before, me)
    if not (channel and ts) or not _is_person(message, me) or text_of(message, "text") == text_of(before, "text"):
        return None
    return MessageEdited(
        place=_place({**message, "channel_type": event.get("channel_type")}, channel, me),
        sender=Sender(text_of(message, "user")),
        event_id=event_id_of(channel, ts),
        text=plain_text(text_of(message, "text"), me),
    )


def _deleted(event: Payload, ts: str, before: Payload, me: BotSelf) -> MessageDeleted | None:
    channel = text_of(event, "channel")
    if not (channel and ts) or (before and not _is_person(before, me)):
        return None
    place = _place({**before, "channel_type": event.get("channel_type")}, channel, me)
    return MessageDeleted(place, event_id_of(channel, ts))


def _command(body: Payload, me: BotSelf, now: datetime) -> InboundMessage | None:
    """Slack gives no thread with a slash command, and shows neither the command nor its answer to the room."""
    channel, user = text_of(body, "channel_id"), text_of(body, "user_id")
    if not (channel and user):
        return None
    name, words = text_of(body, "command").lstrip("/"), plain_text(text_of(body, "text"), me)
    name = name.removeprefix(f"{UMBRELLA}-")
    line = (words.lstrip("/") or "help") if name == UMBRELLA else f"{name} {words}".rstrip()
    event_id = f"command:{text_of(body, 'trigger_id', 'response_url') or f'{user}:{now.isoformat()}'}"
    is_direct = text_of(body, "channel_name") == "directmessage" or channel.startswith("D")
    return InboundMessage(
        place=Place(PLATFORM, me.team_id, channel),
        kind=ConversationKind.PRIVATE if is_direct else ConversationKind.SHARED,
        sender=Sender(user, text_of(body, "user_name")),
        text=f"/{line}",
        event_id=event_id,
        sent_at=now,
        audience=Audience.ASKER,
        handle=event_id if text_of(body, "response_url") else "",
        raw=body,
    )


def _pressed(body: Payload, me: BotSelf, now: datetime) -> InboundMessage | None:
    """The first action counts: a press brings exactly one."""
    action = next(iter(parts_of(body, "actions")), {})
    container, message = part_of(body, "container"), part_of(body, "message")
    channel = text_of(part_of(body, "channel"), "id") or text_of(container, "channel_id")
    user, value, shown = part_of(body, "user"), text_of(action, "value"), text_of(container, "message_ts")
    if not (channel and value and text_of(user, "id")):
        return None
    kind = ConversationKind.PRIVATE if channel.startswith("D") else ConversationKind.SHARED
    thread = text_of(message, "thread_ts") or text_of(container, "thread_ts")
    event_id = f"action:{channel}:{shown}:{text_of(action, 'action_ts')}:{text_of(action, 'action_id')}"
    return InboundMessage(
        place=Place(PLATFORM, me.team_id, channel, thread if kind is ConversationKind.SHARED else ""),
        kind=kind,
        sender=Sender(text_of(user, "id"), text_of(user, "name", "username")),
        text=value,
        event_id=event_id,
        sent_at=_time(text_of(action, "action_ts"), now),
        message_id=shown,
        audience=Audience.ASKER,
        reply_thread=thread,
        handle=event_id if text_of(body, "response_url") and kind is ConversationKind.SHARED else "",
        raw=body,
    )


def plain_text(text: str, me: BotSelf) -> str:
    """Slack's mrkdwn as a person reads it, the mention of the bot removed.

    Source: https://docs.slack.dev/messaging/formatting-message-text#retrieving-messages
    """
    shown = _MARKUP.sub(lambda found: _marked(found[1], me), text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _marked(content: str, me: BotSelf) -> str:
    target, _, label = content.partition("|")
    if target == f"@{me.user_id}":
        return ""
    if target.startswith(("@", "#")):
        return target[0] + (label or target[1:])
    if target.startswith("!"):
        return label or "@" + target[1:].partition("^")[0]
    if not label or target.removeprefix("mailto:").removeprefix("tel:") == label or target.endswith("//" + label):
        return label or target
    return f"{label} ({target})"


def _is_person(message: Payload, me: BotSelf) -> bool:
    user = text_of(message, "user")
    is_bot = bool(text_of(message, "bot_id")) or user in (me.user_id, "USLACKBOT")
    return bool(user) and not is_bot and not message.get("hidden")


def _is_addressed(event: Payload, me: BotSelf) -> bool:
    mention = f"<@{me.user_id}"
    return (
        me.engagement is Engagement.ALL
        or text_of(event, "type") == "app_mention"
        or f"{mention}>" in text_of(event, "text")
        or f"{mention}|" in text_of(event, "text")
    )


def _kind(event: Payload) -> ConversationKind:
    is_direct = text_of(event, "channel_type") == "im" or text_of(event, "channel").startswith("D")
    return ConversationKind.PRIVATE if is_direct else ConversationKind.SHARED


def _place(message: Payload, channel: str, me: BotSelf) -> Place:
    """In a DM a thread is only the address of the reply; in a channel it is a conversation of its own (design §4)."""
    if _kind({**message, "channel": channel}) is ConversationKind.PRIVATE:
        return Place(PLATFORM, me.team_id, channel)
    root = text_of(message, "thread_ts")
    return Place(PLATFORM, me.team_id, channel, root if root != text_of(message, "ts") else "")


def _attachment(file: Payload) -> Attachment:
    """`reference` is the address of the content, or the file's id where Slack Connect hides the rest."""
    media_type = text_of(file, "mimetype") or "application/octet-stream"
    kind = media_type.partition("/")[0]
    return Attachment(
        kind=kind if kind in _KINDS else "file",
        name=text_of(file, "name", "title") or "file",
        media_type=media_type,
        size=max(0, number_of(file, "size")),
        reference=text_of(file, "url_private_download", "url_private", "id"),
    )


def _time(ts: str, now: datetime) -> datetime:
    """A Slack `ts` is seconds since 1970 with six decimals."""
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError):
        return now
