"""A reply that grows in sight: messages that are edited, one after the other as each is full.

The core cancels its pump when the reply is complete, perhaps in the middle of a call of ours. A call is therefore never
cut but waited for before the final text goes out: an edit that arrives late would stand over it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.platforms.discord.post import Target, put
from adapters.platforms.discord.render import Part, render, render_text
from core.errors import DeliveryError
from core.messages import Reply


class DiscordStream:
    """`core.ports.platform.ReplyStream`."""

    def __init__(self, target: Target, nonce: str) -> None:
        self._target = target
        self._nonce = nonce
        self._ids: tuple[str, ...] = ()
        self._shown: tuple[Part, ...] = ()
        self._under_way: asyncio.Task[None] | None = None

    @property
    def message_ids(self) -> tuple[str, ...]:
        return self._ids

    async def update(self, text: str) -> None:
        """Nothing is shown early where it could not be changed later."""
        parts = render_text(text)
        if parts and self._target.is_lasting:
            self._under_way = asyncio.create_task(self._show(parts))
            await asyncio.shield(self._under_way)

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        if self._under_way is not None:
            await asyncio.gather(self._under_way, return_exceptions=True)
        await self._show(render(reply))
        return self._ids

    async def _show(self, parts: Sequence[Part]) -> None:
        try:
            self._ids = await put(self._target, parts, self._nonce, self._ids, self._shown)
        except DeliveryError as error:
            self._ids = error.sent_ids
            self._shown = ()
            raise
        self._shown = tuple(parts)
