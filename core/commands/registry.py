"""The one registry: what `/help`, the platforms' menus, the inbox and the engine know of commands."""

from __future__ import annotations

from collections.abc import Iterable

from core.commands import account, confirm, forget, info, memories, parse, privacy, profile, talk, why
from core.commands.model import (
    AcceptState,
    Argument,
    Arguments,
    Command,
    CommandContext,
    CommandReply,
    Transition,
)
from core.commands.parse import ParsedCommand


class Registry:
    """Commands by name. `commands` are the top ones in the order of `/help`, hidden ones at the end."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._by_name = {command.name: command for command in commands}
        forms = (form for command in self.commands for form in (command, *command.subcommands))
        self._spoken = parse.spoken_pattern(forms)

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(self._by_name.values())

    @property
    def visible(self) -> tuple[Command, ...]:
        """Those that belong in a menu."""
        return tuple(command for command in self.commands if not command.hidden)

    def find(self, name: str) -> Command:
        """A top command. Raises UnknownCommand, whose `user_message` names the nearest match."""
        return parse.find(self._by_name, name)

    def parse(self, text: str) -> ParsedCommand | None:
        """The command that a message is, None for plain talk; the rules stand in `core.commands.parse`.

        Raises UnknownCommand or BadArgument, whose `user_message` says what would work.
        """
        spoken = parse.spoken_command(self._spoken, text)
        found = parse.slash_command(spoken or text)
        if found is None:
            return None
        word, rest = found
        return parse.parse_arguments(self.find(word), rest)

    def pending_word(self, text: str) -> str | None:
        """`confirm` or `cancel` for a message that answers a question (`yes`, `no`), else None."""
        return parse.pending_word(text)


def build_registry() -> Registry:
    """Every command there is."""
    registry: Registry
    help_and_start = info.help_commands(lambda: {command.name: command for command in registry.commands})
    actions = {**profile.ACTIONS, **forget.ACTIONS, **account.ACTIONS}
    everything = (
        *help_and_start,
        *talk.COMMANDS,
        *memories.COMMANDS,
        *forget.COMMANDS,
        *why.COMMANDS,
        *profile.COMMANDS,
        *privacy.COMMANDS,
        *account.COMMANDS,
        *info.COMMANDS,
        *confirm.commands(actions),
    )
    registry = Registry(sorted(everything, key=lambda command: command.hidden))
    return registry


__all__ = [
    "AcceptState",
    "Argument",
    "Arguments",
    "Command",
    "CommandContext",
    "CommandReply",
    "ParsedCommand",
    "Registry",
    "Transition",
    "build_registry",
]
