"""Which way a reply goes: into its channel, under its interaction, or to the asker alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import discord

from adapters.platforms.discord.interactions import Interactions
from adapters.platforms.discord.post import FIXED, GetClient, InChannel, Target, UnderInteraction, put
from adapters.platforms.discord.render import Part, nonce_of, render
from adapters.platforms.discord.translate import channel_id_of
from core.errors import DeliveryRefused
from core.messages import Reply, ReplyAddress
from core.types import Audience, ConversationKind

CLOSED_DOOR = (
    "I have an answer for you alone, but Discord does not let me write to you. Use the command from the `/` menu, whose"
    " answer only you can see, or allow direct messages from this server."
)


class Outbound:
    """Its methods raise DeliveryRateLimited, DeliveryUnknown or DeliveryRefused, with what had arrived before."""

    def __init__(self, client: GetClient, interactions: Interactions, seconds: float) -> None:
        self._client = client
        self._interactions = interactions
        self._seconds = seconds

    async def send(
        self, address: ReplyAddress, reply: Reply, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        alone = address.kind is ConversationKind.SHARED and reply.audience is Audience.ASKER
        opened = self._interactions.find(address.handle)
        if opened is not None and opened.uncertain:
            reply = replace(reply, maybe_duplicate=True)
        try:
            return await put(self.target(address, alone=alone), render(reply), nonce, known_ids)
        except DeliveryRefused as error:
            if not alone or error.sent_ids:
                raise
            return await self._tell_at_the_door(address, nonce)

    def target(self, address: ReplyAddress, *, alone: bool = False) -> Target:
        """`alone`: the room must not read it."""
        opened = self._interactions.find(address.handle)
        otherwise = self._direct(address) if alone else self._channel(address)
        return UnderInteraction(opened, otherwise, self._seconds) if opened else otherwise

    def _channel(self, address: ReplyAddress) -> InChannel:
        """In a room the reply quotes what it answers; two people alone need no quotes."""

        async def find_id() -> int:
            return channel_id_of(address.place)

        quoted = address.reply_to if address.kind is ConversationKind.SHARED else ""
        return InChannel(self._client, find_id, self._seconds, quoted)

    def _direct(self, address: ReplyAddress) -> InChannel:
        async def find_id() -> int:
            client = await self._client()
            return (await client.create_dm(discord.Object(int(address.recipient)))).id

        return InChannel(self._client, find_id, self._seconds)

    async def _tell_at_the_door(self, address: ReplyAddress, nonce: str) -> tuple[str, ...]:
        """The asker closed their DMs and came without a slash command: say so in the room, without the answer."""
        sent = await self._channel(address).send(Part(CLOSED_DOOR), nonce_of(nonce, 0, "door"))
        return (FIXED + sent,)
