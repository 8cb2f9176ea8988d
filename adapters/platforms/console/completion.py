"""What can come next on a line that begins with a slash. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.commands.model import Argument, Command

Offers = Mapping[str, Callable[[], Iterable[str]]]
"""Values by what an argument `completes`: `profile`, `timezone`, …"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` replaces the last `replaces` characters before the cursor; `help` explains it."""

    text: str
    replaces: int
    help: str = ""


def suggestions(commands: Sequence[Command], before: str, offers: Offers) -> list[Suggestion]:
    """For the text before the cursor; nothing for plain talk."""
    if not before.startswith("/") or "\n" in before:
        return []
    word, space, rest = before[1:].partition(" ")
    visible = [command for command in commands if not command.hidden]
    if not space:
        return [
            Suggestion(f"/{command.name}", len(before), command.summary)
            for command in visible
            if command.name.startswith(word.casefold())
        ]
    command = next((item for item in visible if item.name == word.casefold()), None)
    return _after_command(command, rest.lstrip(), offers) if command else []


def _after_command(command: Command, rest: str, offers: Offers) -> list[Suggestion]:
    if command.subcommands:
        word, space, after = rest.partition(" ")
        if not space:
            return [
                Suggestion(item.name, len(rest), item.summary)
                for item in command.subcommands
                if not item.hidden and item.name.startswith(word.casefold())
            ]
        found = next((item for item in command.subcommands if item.name == word.casefold()), None)
        return _after_command(found, after.lstrip(), offers) if found else []
    return _values(command.arguments, rest, offers)


def _values(arguments: Sequence[Argument], rest: str, offers: Offers) -> list[Suggestion]:
    for argument in arguments:
        word, space, after = (rest, "", "") if argument.rest else rest.partition(" ")
        if not space:
            offered = argument.choices or offers.get(argument.completes, tuple)()
            key = word.casefold()
            return [
                Suggestion(value, len(word), argument.help) for value in offered if value.casefold().startswith(key)
            ]
        rest = after.lstrip()
    return []
