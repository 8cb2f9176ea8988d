"""Bot API payloads → domain objects. Pure: dictionaries in, no I/O, nothing raised for a payload of any shape.

Shapes: https://core.telegram.org/bots/api#update. Entity offsets count UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.platforms.payload import number_of, part_of, parts_of, text_of
from adapters.platforms.telegram.config import PLATFORM, Engagement
from adapters.platforms.telegram.media import attachments_of
from core.messages import InboundMessage, MessageEdited, Sender
from core.types import Audience, ConversationKind, Place

GROUPS = ("group", "supergroup")


@dataclass(frozen=True, slots=True)
class BotSelf:
    """The bot itself: `username` without @, `commands` the names it knows (bare `/name` in a group is for it then)."""

    id: int
    username: str
    commands: frozenset[str] = frozenset()
    engagement: Engagement = Engagement.MENTION


@dataclass(frozen=True, slots=True)
class Migrated:
    """A group became a supergroup and has a new chat id."""

    place: Place
    new_place: Place


Translated = InboundMessage | MessageEdited | Migrated | None


def translate(update: Mapping[str, object], me: BotSelf, now: datetime) -> Translated:
    """One update as the core wants it; None for what means nothing to it (joins, reactions, unknown kinds).

    `now` dates what carries no time of its own, like a button press.
    """
    if message := part_of(update, "message"):
        return _migrated(message) or _message(message, me, now)
    if edited := part_of(update, "edited_message"):
        return _edited(edited, me)
    if query := part_of(update, "callback_query"):
        return _pressed(query, now)
    return None


def chat_of(update: Mapping[str, object]) -> int:
    """The chat that an update belongs to: what has to stay in order. 0 when it names none."""
    for kind in ("message", "edited_message", "my_chat_member"):
        if part := part_of(update, kind):
            return number_of(part_of(part, "chat"), "id")
    return number_of(part_of(part_of(part_of(update, "callback_query"), "message"), "chat"), "id")


def place_of(message: Mapping[str, object]) -> Place | None:
    """A forum topic is a thread (also in a private chat with topics); a mere reply thread of a group is not."""
    chat = part_of(message, "chat")
    if not number_of(chat, "id") or text_of(chat, "type") not in ("private", *GROUPS):
        return None
    is_topic = message.get("is_topic_message") is True
    thread = number_of(message, "message_thread_id") if is_topic else 0
    return Place(PLATFORM, "", str(number_of(chat, "id")), str(thread) if thread else "")


def kind_of(message: Mapping[str, object]) -> ConversationKind:
    shared = text_of(part_of(message, "chat"), "type") in GROUPS
    return ConversationKind.SHARED if shared else ConversationKind.PRIVATE


def event_id_of(message: Mapping[str, object]) -> str:
    """Not the update_id: an edit has another one, and names its message by chat and message id only."""
    return f"{number_of(part_of(message, 'chat'), 'id')}:{number_of(message, 'message_id')}"


def _message(message: Mapping[str, object], me: BotSelf, now: datetime) -> InboundMessage | None:
    place, sender = place_of(message), _sender(message)
    if place is None or sender is None or not number_of(message, "message_id"):
        return None
    text, attachments = _words(message), attachments_of(message)
    if not text and not attachments:
        return None
    kind = kind_of(message)
    private = kind is ConversationKind.PRIVATE
    text, payload = _start(without_mention(text, _entities(message), me), private)
    return InboundMessage(
        place=place,
        kind=kind,
        sender=sender,
        text=text,
        event_id=event_id_of(message),
        sent_at=_time(number_of(message, "date"), now),
        message_id=str(number_of(message, "message_id")),
        addressed=private or _is_addressed(message, me),
        audience=Audience.ASKER if private else Audience.ROOM,
        attachments=attachments,
        reply_to=_reply_to(message),
        reply_thread=place.thread_id,
        handle=payload,
        forwarded=_is_forwarded(message),
        raw=message,
    )


def _edited(message: Mapping[str, object], me: BotSelf) -> MessageEdited | None:
    place, sender = place_of(message), _sender(message)
    if place is None or sender is None or sender.is_bot:
        return None
    text = without_mention(_words(message), _entities(message), me)
    return MessageEdited(place, sender, event_id_of(message), text) if text else None


def _pressed(query: Mapping[str, object], now: datetime) -> InboundMessage | None:
    message, command = part_of(query, "message"), text_of(query, "data")
    place, sender = place_of(message), _person(part_of(query, "from"))
    if place is None or sender is None or not command or not text_of(query, "id"):
        return None
    kind = kind_of(message)
    return InboundMessage(
        place=place,
        kind=kind,
        sender=sender,
        text=command,
        event_id=f"callback:{text_of(query, 'id')}",
        sent_at=now,
        message_id=str(number_of(message, "message_id")),
        # In a group nothing but a 200-character toast could be shown to the presser alone, so the command decides.
        audience=Audience.ASKER if kind is ConversationKind.PRIVATE else Audience.ROOM,
        reply_thread=place.thread_id,
        raw=query,
    )


def _migrated(message: Mapping[str, object]) -> Migrated | None:
    chat = number_of(part_of(message, "chat"), "id")
    if new := number_of(message, "migrate_to_chat_id"):
        return Migrated(Place(PLATFORM, "", str(chat)), Place(PLATFORM, "", str(new)))
    if old := number_of(message, "migrate_from_chat_id"):
        return Migrated(Place(PLATFORM, "", str(old)), Place(PLATFORM, "", str(chat)))
    return None


def _is_forwarded(message: Mapping[str, object]) -> bool:
    """Whether the words are somebody else's; what people forward of their own stays theirs."""
    author = number_of(part_of(part_of(message, "forward_origin"), "sender_user"), "id")
    is_own = author and author == number_of(part_of(message, "from"), "id")
    return "forward_origin" in message and not is_own


def _time(seconds: int, now: datetime) -> datetime:
    """`seconds` since 1970."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else now
    except (ValueError, OverflowError, OSError):
        return now


def _sender(message: Mapping[str, object]) -> Sender | None:
    """None for posts in the name of a chat (channels, anonymous admins): no person stands behind them for us."""
    return None if "sender_chat" in message else _person(part_of(message, "from"))


def _person(user: Mapping[str, object]) -> Sender | None:
    if not number_of(user, "id"):
        return None
    name = f"{text_of(user, 'first_name')} {text_of(user, 'last_name')}".strip()
    return Sender(
        external_id=str(number_of(user, "id")),
        display_name=name or text_of(user, "username"),
        is_bot=user.get("is_bot") is True,
        language=text_of(user, "language_code").partition("-")[0] or None,
    )


def _words(message: Mapping[str, object]) -> str:
    return text_of(message, "text") or text_of(message, "caption") or text_of(part_of(message, "sticker"), "emoji")


def _entities(message: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    return parts_of(message, "entities") or parts_of(message, "caption_entities")


def _reply_to(message: Mapping[str, object]) -> str:
    """In a topic every plain message "replies" to the service message that opened it: that is no reply."""
    replied = number_of(part_of(message, "reply_to_message"), "message_id")
    is_topic_root = message.get("is_topic_message") is True and replied == number_of(message, "message_thread_id")
    return str(replied) if replied and not is_topic_root else ""


def _is_addressed(message: Mapping[str, object], me: BotSelf) -> bool:
    if me.engagement is Engagement.OFF:
        return False
    command, _, target = _leading_command(message).partition("@")
    if target:
        return target.casefold() == me.username.casefold()
    if command[1:].casefold() in me.commands or me.engagement is Engagement.ALL:
        return True
    author = number_of(part_of(part_of(message, "reply_to_message"), "from"), "id")
    return (author == me.id and bool(_reply_to(message))) or any(
        _mentions(entity, _words(message), me) for entity in _entities(message)
    )


def _leading_command(message: Mapping[str, object]) -> str:
    for entity in _entities(message):
        if text_of(entity, "type") == "bot_command" and number_of(entity, "offset") == 0:
            return _slice(_words(message), entity)
    return ""


def _mentions(entity: Mapping[str, object], text: str, me: BotSelf) -> bool:
    kind = text_of(entity, "type")
    if kind == "text_mention":
        return number_of(part_of(entity, "user"), "id") == me.id
    if kind == "mention":
        return _slice(text, entity).casefold() == f"@{me.username}".casefold()
    if kind == "bot_command":
        return _slice(text, entity).casefold().endswith(f"@{me.username}".casefold())
    return False


def without_mention(text: str, entities: Sequence[Mapping[str, object]], me: BotSelf) -> str:
    """The text without the bot's name (`@bot, hello` → `hello`); of `/help@bot` the command stays."""
    mentions = sorted((item for item in entities if _mentions(item, text, me)), key=_bounds, reverse=True)
    units = text.encode("utf-16-le", "surrogatepass")
    kept = b""
    for entity in mentions:
        start, end = _bounds(entity)
        command = _slice(text, entity).partition("@")[0] if text_of(entity, "type") == "bot_command" else ""
        kept = command.encode("utf-16-le", "surrogatepass")
        units = _close(units[: 2 * start] + kept, units[2 * end :])
    left = units.decode("utf-16-le", "surrogatepass").strip()
    opened_with_name = mentions and _bounds(mentions[-1])[0] == 0 and not kept
    return left.lstrip(" ,:;") if opened_with_name else left


_BLANK = " ".encode("utf-16-le")


def _close(before: bytes, after: bytes) -> bytes:
    """One blank, not two, where a name was taken out."""
    doubled = after.startswith(_BLANK) and (not before or before.endswith(_BLANK))
    return before + (after[2:] if doubled else after)


def _bounds(entity: Mapping[str, object]) -> tuple[int, int]:
    start = max(number_of(entity, "offset"), 0)
    return start, start + max(number_of(entity, "length"), 0)


def _slice(text: str, entity: Mapping[str, object]) -> str:
    start, end = _bounds(entity)
    if text.isascii():
        return text[start:end]
    return text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


def _start(text: str, private: bool) -> tuple[str, str]:
    """A Start button's payload is the key of an answer that waits for this person, no argument of the command."""
    command, _, payload = text.partition(" ")
    if not private or command.casefold() != "/start":
        return text, ""
    return command, payload.strip()
