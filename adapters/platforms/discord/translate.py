"""What the SDK makes of Discord's payloads → domain objects. Pure: no I/O, nothing raised for what Discord sends.

Not from the payloads themselves: they name roles, threads and channels by ids only, which the SDK resolves from its
cache. Shapes: https://discord.com/developers/docs/events/gateway-events
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import discord

from adapters.platforms.discord.config import PLATFORM, Engagement
from adapters.platforms.discord.words import text_of
from core.messages import Attachment, InboundMessage, MessageDeleted, MessageEdited, RoomRole, Sender
from core.types import Audience, ConversationKind, Place

TALK = (discord.MessageType.default, discord.MessageType.reply)
"""Types of messages that say something; the others tell of joins, pins, boosts and the like."""

Channel = discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | discord.PartialMessageable | None


@dataclass(frozen=True, slots=True)
class BotSelf:
    """The bot's own account, and what it takes for addressed."""

    id: int
    engagement: Engagement = Engagement.MENTION


def translate_message(message: discord.Message, me: BotSelf) -> InboundMessage | None:
    """None for what nobody said to anybody: joins, pins, webhooks, messages with nothing in them that can be read.

    The bot's own messages and those of other bots are marked as such.
    """
    place, kind = place_of(message.channel), kind_of(message.channel)
    if place is None or message.type not in TALK or message.webhook_id is not None:
        return None
    snapshots = message.message_snapshots
    forwarded = [file for shot in snapshots for file in shot.attachments]
    attachments = tuple(map(_attachment, [*message.attachments, *forwarded]))
    text = text_of(message, me.id)
    if not text and not attachments and not is_mentioned(message, me):
        return None
    private = kind is ConversationKind.PRIVATE
    return InboundMessage(
        place=place,
        kind=kind,
        sender=sender_of(message.author),
        text=text,
        event_id=str(message.id),
        sent_at=message.created_at,
        message_id=str(message.id),
        addressed=private or _is_addressed(message, me),
        audience=Audience.ASKER if private else Audience.ROOM,
        attachments=attachments,
        reply_to=_reply_to(message),
        reply_thread=place.thread_id,
        thread_root=place.thread_id,  # a thread has the id of the message that it starts at
        cursor=str(message.id),
        server_id=str(message.guild.id) if message.guild else "",
        forwarded=bool(snapshots),
    )


def translate_interaction(
    interaction: discord.Interaction, command: str, *, handle: str = "", home: str = ""
) -> InboundMessage | None:
    """A slash command or a button press, written as the command that it means.

    `home` is the id of the person's own DM channel with the bot: there belongs what they ask in a talk with somebody
    else, where an app that they installed for themselves may answer but never write.
    """
    place, kind = place_of(interaction.channel), kind_of(interaction.channel)
    if home:
        place, kind = Place(PLATFORM, "", home), ConversationKind.PRIVATE
    if place is None:
        return None
    sender = sender_of(interaction.user, interaction.permissions)
    return InboundMessage(
        place=place,
        kind=kind,
        sender=replace(sender, language=interaction.locale.value.partition("-")[0] or None),
        text=command,
        event_id=f"interaction:{interaction.id}",
        sent_at=interaction.created_at,
        audience=Audience.ASKER,
        reply_thread=place.thread_id,
        thread_root=place.thread_id,
        handle=handle,
        cursor=str(interaction.id),  # ids of all kinds follow one clock
        server_id=str(interaction.guild_id or ""),
    )


def translate_edit(message: discord.Message, me: BotSelf) -> MessageEdited | None:
    """None when the text did not change: a link that got its preview is reported as an edit, too."""
    place = place_of(message.channel)
    if place is None or message.edited_at is None or message.author.bot or message.webhook_id is not None:
        return None
    text = text_of(message, me.id)
    return MessageEdited(place, sender_of(message.author), str(message.id), text) if text else None


def translate_delete(message_id: int, channel: Channel, channel_id: int) -> MessageDeleted:
    place = place_of(channel) or Place(PLATFORM, "", str(channel_id))
    return MessageDeleted(place, str(message_id))


def place_of(channel: Channel) -> Place | None:
    """A thread is a place under its channel (a forum post under its forum). None where the bot cannot be talked to."""
    if isinstance(channel, discord.Thread):
        return Place(PLATFORM, "", str(channel.parent_id), str(channel.id))
    if channel is None or isinstance(channel, discord.GroupChannel):
        return None
    return Place(PLATFORM, "", str(channel.id))


def kind_of(channel: Channel) -> ConversationKind:
    if isinstance(channel, discord.PartialMessageable):
        return ConversationKind.SHARED if channel.guild_id else ConversationKind.PRIVATE
    return ConversationKind.PRIVATE if isinstance(channel, discord.DMChannel) else ConversationKind.SHARED


def channel_id_of(place: Place) -> int:
    """The channel that a place is for the API, where a thread is a channel like any other."""
    return int(place.thread_id or place.chat_id)


def sender_of(author: discord.User | discord.Member, permissions: discord.Permissions | None = None) -> Sender:
    """`permissions` are those in the channel, where Discord tells them; else those in the server count."""
    if permissions is None and isinstance(author, discord.Member):
        permissions = author.guild_permissions
    manages = permissions is not None and (permissions.manage_guild or permissions.manage_channels)
    return Sender(
        external_id=str(author.id),
        display_name=author.display_name,
        is_bot=author.bot or author.system,
        role=RoomRole.MANAGER if manages else RoomRole.MEMBER,
    )


def _is_addressed(message: discord.Message, me: BotSelf) -> bool:
    if me.engagement is not Engagement.MENTION:
        return me.engagement is Engagement.ALL
    replied = message.reference.resolved if message.reference else None
    return (
        is_mentioned(message, me)
        or (isinstance(replied, discord.Message) and replied.author.id == me.id)
        or (isinstance(message.channel, discord.Thread) and takes_part(message.channel, me))
    )


def takes_part(thread: discord.Thread, me: BotSelf) -> bool:
    """Discord makes the bot a member of each thread that it is mentioned in or writes in."""
    return thread.me is not None or thread.owner_id == me.id


def is_mentioned(message: discord.Message, me: BotSelf) -> bool:
    """By its name, or by the role that Discord made for it: clients offer both."""
    own_role = message.guild.self_role if message.guild else None
    by_role = own_role is not None and own_role in message.role_mentions
    return by_role or any(user.id == me.id for user in message.mentions)


def _reply_to(message: discord.Message) -> str:
    reference = message.reference
    is_reply = message.type is discord.MessageType.reply and reference is not None
    return str(reference.message_id or "") if is_reply and reference else ""


def _attachment(file: discord.Attachment) -> Attachment:
    media_type = (file.content_type or "application/octet-stream").partition(";")[0]
    group = media_type.partition("/")[0]
    return Attachment(
        kind=group if group in ("image", "audio", "video") else "file",
        name=file.filename,
        media_type=media_type,
        size=file.size,
        reference=file.url,
    )
