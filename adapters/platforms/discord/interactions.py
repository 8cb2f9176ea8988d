"""Slash commands and button presses that still wait for their answer, in this process's memory only."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import discord

from adapters.platforms.discord.buttons import view_of
from adapters.platforms.discord.render import Part
from core.messages import OutboundFile

LIFETIME = 840.0
"""Seconds that an interaction can be answered: Discord gives fifteen minutes, one is left to spare
(https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages)."""

NOBODY = discord.AllowedMentions.none()


@dataclass(slots=True)
class OpenInteraction:
    """`ephemeral`: only the asker sees what is answered. `uncertain`: an answer may have arrived twice."""

    interaction: discord.Interaction
    ephemeral: bool
    until: float
    answered: bool = False
    uncertain: bool = False

    async def answer(self, part: Part) -> int:
        """The first answer takes the place of "is thinking…", the others follow it. The message's id. Raises what the
        SDK raises."""
        view = view_of(part.buttons)
        files = [file_of(part.file)] if part.file else []
        if not self.answered:
            first = await self.interaction.edit_original_response(
                content=part.content or None, attachments=files, view=view, allowed_mentions=NOBODY
            )
            self.answered = True
            return first.id
        content: dict[str, Any] = {"view": view} if view else {}
        further = await self.interaction.followup.send(
            part.content, files=files, ephemeral=self.ephemeral, allowed_mentions=NOBODY, wait=True, **content
        )
        return further.id


@dataclass(slots=True)
class Interactions:
    """By the handle that the message carries through the core."""

    monotonic: Callable[[], float] = time.monotonic
    _open: dict[str, OpenInteraction] = field(default_factory=dict)

    def open(self, interaction: discord.Interaction, *, ephemeral: bool) -> str:
        """The handle."""
        now = self.monotonic()
        self._open = {handle: item for handle, item in self._open.items() if item.until > now}
        handle = str(interaction.id)
        self._open[handle] = OpenInteraction(interaction, ephemeral, now + LIFETIME)
        return handle

    def find(self, handle: str) -> OpenInteraction | None:
        """None when it is over, or was another process's."""
        found = self._open.get(handle)
        return found if found is not None and found.until > self.monotonic() else None

    def close(self, handle: str) -> None:
        self._open.pop(handle, None)


def file_of(file: OutboundFile) -> discord.File:
    return discord.File(io.BytesIO(file.data), filename=file.name)
