"""What a message says: Discord writes names as ids in angle brackets (https://discord.com/developers/docs/reference)."""

from __future__ import annotations

import re

import discord

_TAG = re.compile(r"<(?P<sigil>@!?|@&|#|a?:(?P<emoji>\w+):)(?P<id>\d{1,20})>")


def text_of(message: discord.Message, me: int) -> str:
    """The words of a message without the bot's own name (`<@bot>, hello` → `hello`), with the others' names in words.

    A forwarded message says what was forwarded, a sticker its name.
    """
    content = message.content or next((shot.content for shot in message.message_snapshots if shot.content), "")
    own = {f"<@{me}>", f"<@!{me}>"}
    if message.guild and message.guild.self_role:
        own.add(f"<@&{message.guild.self_role.id}>")
    names = _names(message)

    def shown(match: re.Match[str]) -> str:
        if match["emoji"]:
            return f":{match['emoji']}:"
        return names.get((match["sigil"].replace("!", ""), match["id"]), match[0])

    text = _TAG.sub(shown, _without(content, own))
    return text or " ".join(f":{sticker.name}:" for sticker in message.stickers)


def _names(message: discord.Message) -> dict[tuple[str, str], str]:
    people = {("@", str(user.id)): f"@{user.display_name}" for user in message.mentions}
    roles = {("@&", str(role.id)): f"@{role.name}" for role in message.role_mentions}
    return {**people, **roles, **{("#", str(item.id)): f"#{item.name}" for item in message.channel_mentions}}


def _without(content: str, tags: set[str]) -> str:
    opened_with_name = content.lstrip().startswith(tuple(tags))
    for tag in tags:
        content = re.sub(rf"{tag} ?", "", content)
    content = content.strip()
    return content.lstrip(" ,:;") if opened_with_name else content
