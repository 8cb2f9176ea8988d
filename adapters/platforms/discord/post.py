"""Putting messages where their readers are: into the channel, under an interaction, or into a direct message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import discord

from adapters.platforms.discord.buttons import view_of
from adapters.platforms.discord.errors import NO_HISTORY_TO_REPLY, SDK_ERRORS, delivering, is_gone, is_over
from adapters.platforms.discord.interactions import NOBODY, OpenInteraction, file_of
from adapters.platforms.discord.render import Part, nonce_of
from core.errors import DeliveryError, DeliveryUnknown

FIXED = "fixed:"
"""Marks the id of something that arrived and cannot be edited: what only the asker saw."""

GetClient = Callable[[], Awaitable[discord.Client]]
"""A client that is logged in. Raises ConfigurationError or one of SDK_ERRORS."""


class Target(Protocol):
    """Where the messages of one reply go. Both raise DeliveryError."""

    @property
    def is_lasting(self) -> bool:
        """Whether what is sent there can be edited later."""
        ...

    async def send(self, part: Part, nonce: str) -> str:
        """A new message's id."""
        ...

    async def edit(self, message_id: str, part: Part) -> bool:
        """False when there is no such message of ours any more."""
        ...

    async def delete(self, message_id: str) -> None: ...


class InChannel:
    """A channel, a thread or a DM. `reply_to` `''`: quote nothing. `find_id` is asked at the first use."""

    is_lasting = True

    def __init__(
        self, client: GetClient, find_id: Callable[[], Awaitable[int]], seconds: float, reply_to: str = ""
    ) -> None:
        self._client = client
        self._find_id = find_id
        self._seconds = seconds
        self._reply_to = reply_to

    async def send(self, part: Part, nonce: str) -> str:
        async with delivering(self._seconds):
            channel = await self._channel()
            message = await self._send(channel, part, nonce)
            if part.content.strip() != message.content.strip():
                # Discord knows the nonce: this is what an earlier try has sent, perhaps the beginning of the text.
                await message.edit(content=part.content, view=view_of(part.buttons), allowed_mentions=NOBODY)
        self._reply_to = ""
        return str(message.id)

    async def edit(self, message_id: str, part: Part) -> bool:
        async with delivering(self._seconds):
            message = (await self._channel()).get_partial_message(int(message_id))
            try:
                await message.edit(content=part.content, view=view_of(part.buttons), allowed_mentions=NOBODY)
            except discord.HTTPException as error:
                if not is_gone(error):
                    raise
                return False
        return True

    async def delete(self, message_id: str) -> None:
        async with delivering(self._seconds):
            await (await self._channel()).get_partial_message(int(message_id)).delete()

    async def _channel(self) -> discord.PartialMessageable:
        client = await self._client()
        return client.get_partial_messageable(await self._find_id())

    async def _send(self, channel: discord.PartialMessageable, part: Part, nonce: str) -> discord.Message:
        optional: dict[str, Any] = {
            "content": part.content or None,
            "view": view_of(part.buttons),
            "reference": self._reference(channel.id),
            "file": file_of(part.file) if part.file else None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        send = partial(channel.send, nonce=nonce, allowed_mentions=NOBODY, mention_author=False, suppress_embeds=True)
        try:
            return await send(**given)
        except discord.HTTPException as error:
            if error.code != NO_HISTORY_TO_REPLY:
                raise
            del given["reference"]
            return await send(**given)

    def _reference(self, channel_id: int) -> discord.MessageReference | None:
        if not self._reply_to:
            return None
        return discord.MessageReference(message_id=int(self._reply_to), channel_id=channel_id, fail_if_not_exists=False)


class UnderInteraction:
    """The answer to a slash command or press while it takes one, then `otherwise`."""

    def __init__(self, opened: OpenInteraction, otherwise: Target, seconds: float) -> None:
        self._open = opened
        self._otherwise = otherwise
        self._seconds = seconds
        self._is_over = False

    @property
    def is_lasting(self) -> bool:
        return not self._open.ephemeral

    async def send(self, part: Part, nonce: str) -> str:
        if not self._is_over:
            with suppress(_Over):
                return await self._answer(part)
        return await self._otherwise.send(part, nonce)

    async def edit(self, message_id: str, part: Part) -> bool:
        """What everybody in the place sees is a message like any other."""
        return await self._otherwise.edit(message_id, part)

    async def delete(self, message_id: str) -> None:
        await self._otherwise.delete(message_id)

    async def _answer(self, part: Part) -> str:
        was_answered = self._open.answered
        try:
            async with delivering(self._seconds):
                try:
                    message_id = await self._open.answer(part)
                except SDK_ERRORS as error:
                    if is_over(error):
                        raise _Over from None
                    raise
        except _Over:
            self._is_over = True
            raise
        except DeliveryUnknown:
            self._open.uncertain = was_answered  # the first one is an edit, which can be done twice
            raise
        return f"{FIXED}{message_id}" if self._open.ephemeral else str(message_id)


class _Over(Exception):
    """The interaction takes no answer any more."""


async def put(
    target: Target, parts: Sequence[Part], nonce: str, known_ids: Sequence[str] = (), shown: Sequence[Part] = ()
) -> tuple[str, ...]:
    """Make these messages stand there, and no more of the known ones; all their ids.

    Known ones are edited into shape, but for those that say it already (`shown`, in the order of `known_ids`) and those
    that nothing can edit. Raises DeliveryError with `sent_ids` as far as it came.
    """
    ids: list[str] = []
    for index, part in enumerate(parts):
        known = known_ids[index] if index < len(known_ids) else ""
        try:
            if not known:
                known = await target.send(part, nonce_of(nonce, index))
            elif not _stands(index, part, known, shown) and not await target.edit(known, part):
                known = await target.send(part, nonce_of(nonce, index, known))
        except DeliveryError as error:
            error.sent_ids = (*ids, *known_ids[index:])
            raise
        ids.append(known)
    for leftover in known_ids[len(parts) :]:
        with suppress(DeliveryError):
            await target.delete(leftover)
    return tuple(ids)


def _stands(index: int, part: Part, known: str, shown: Sequence[Part]) -> bool:
    return known.startswith(FIXED) or part.file is not None or (index < len(shown) and shown[index] == part)
