"""Buttons that outlive this process: what they do is written in the id that Discord keeps with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import discord
from discord import ui

from core.messages import Button

PREFIX = "mc:"
MAX_ID = 100
"""Characters of a custom_id (https://discord.com/developers/docs/components/reference#anatomy-of-a-component)."""


@runtime_checkable
class TakesPresses(Protocol):
    """The client that a press comes to."""

    async def pressed(self, interaction: discord.Interaction, command: str) -> None: ...


class CommandButton(ui.DynamicItem[ui.Button[ui.View]], template=r"mc:(?P<command>.+)"):
    """Pressing it sends `command` as a message of whoever pressed."""

    def __init__(self, button: Button) -> None:
        style = discord.ButtonStyle.danger if button.danger else discord.ButtonStyle.secondary
        super().__init__(ui.Button(label=button.label, style=style, custom_id=PREFIX + button.command))
        self.command = button.command

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> CommandButton:
        return cls(Button("…", match["command"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        client = interaction.client
        if isinstance(client, TakesPresses):
            await client.pressed(interaction, self.command)


def view_of(buttons: Sequence[Button]) -> ui.View | None:
    """None for no buttons. A command that Discord would not carry has no button (it can be typed)."""
    carried = [button for button in buttons if 0 < len(button.command) <= MAX_ID - len(PREFIX)]
    if not carried:
        return None
    view = ui.View(timeout=None)
    for button in carried:
        view.add_item(CommandButton(button))
    return view
