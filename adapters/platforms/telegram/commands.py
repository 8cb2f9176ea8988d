"""Telegram's command menu, generated from the one registry."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Protocol

from telegram import BotCommand, BotCommandScopeAllGroupChats, BotCommandScopeAllPrivateChats
from telegram.error import TelegramError

from adapters.platforms.telegram.client import TelegramBot

log = logging.getLogger(__name__)

MAX_COMMANDS = 100
MAX_DESCRIPTION = 256
_NAME = re.compile(r"[a-z0-9_]{1,32}")


class CommandSpec(Protocol):
    """What the menu needs of `core.commands.registry.Command`."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def private(self) -> bool: ...

    @property
    def hidden(self) -> bool: ...


def menu(commands: Sequence[CommandSpec], *, in_groups: bool) -> list[BotCommand]:
    """What Telegram lists behind the slash; in groups without the commands that are answered in private anyway."""
    return [
        BotCommand(command.name, command.summary[:MAX_DESCRIPTION] or command.name)
        for command in commands
        if _NAME.fullmatch(command.name) and not command.hidden and not (in_groups and command.private)
    ][:MAX_COMMANDS]


async def register(bot: TelegramBot, commands: Sequence[CommandSpec]) -> None:
    """Never fatal: the commands work without the menu."""
    if not commands:
        return
    try:
        await bot.set_my_commands(menu(commands, in_groups=False), scope=BotCommandScopeAllPrivateChats())
        await bot.set_my_commands(menu(commands, in_groups=True), scope=BotCommandScopeAllGroupChats())
    except TelegramError as error:
        log.warning("the command menu was not set: %s", type(error).__name__)
