"""From a message to a command, or to plain talk.

With the slash: `/word …` and `/word@botname …` are commands, whatever the case; an unknown word is an error that names
the nearest one. A path or a division (`/usr/bin`, `/ 2`) is talk, and so is `//text`, which says `/text`.

Without the slash a message is a command only when the whole of it has exactly one of the forms that a command allows
(`Command.spoken`), so that `profile of a killer` and `forget it` stay talk. Commands with free text (`ask`, `remember`,
`forget QUERY`, `link`) and words that people say anyway (`why`) always need the slash; `@bot /ask …` works
everywhere, in a Slack thread too, because Slack keeps only messages that begin with a slash to itself.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.commands.model import Argument, Arguments, Command
from core.errors import BadArgument, UnknownCommand

_SLASH = re.compile(r"/(?P<word>[^\W\d_][\w-]*)(?:@\w+)?(?=\s|$)(?P<rest>.*)", re.DOTALL)
_MAX_SPOKEN = 80
_YES = frozenset({"yes", "confirm"})
_NO = frozenset({"no", "cancel"})


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """`command` is the subcommand where one was named; `arguments` holds those that were given."""

    command: Command
    arguments: Arguments


def slash_command(text: str) -> tuple[str, str] | None:
    """The word after the slash in lower case, and what follows it; None for talk."""
    match = _SLASH.match(text.strip())
    return (match["word"].casefold(), match["rest"].strip()) if match else None


def spoken_pattern(commands: Iterable[Command]) -> re.Pattern[str]:
    """What the whole of a message must match to be one of these commands without its slash; blanks are single in it."""
    forms = [f"{command.path} {form}".rstrip() for command in commands for form in command.spoken]
    return re.compile("|".join(forms), re.IGNORECASE)


def spoken_command(pattern: re.Pattern[str], text: str) -> str | None:
    """The same message with its slash when it has exactly the form of a command, else None."""
    if len(text) > _MAX_SPOKEN:
        return None
    words = " ".join(text.split())
    return f"/{words}" if pattern.fullmatch(words) else None


def pending_word(text: str) -> str | None:
    """`confirm` or `cancel` when the whole message is an answer to a question, else None."""
    word = text.strip().casefold().rstrip(".!")
    if word in _YES:
        return "confirm"
    return "cancel" if word in _NO else None


def find(commands: Mapping[str, Command], word: str) -> Command:
    """Raises UnknownCommand, whose `user_message` names the nearest match."""
    command = commands.get(word.casefold())
    if command is not None:
        return command
    visible = [name for name, item in commands.items() if not item.hidden]
    close = nearest(word, visible)
    hint = f" Did you mean `/{close}`?" if close else ""
    raise UnknownCommand(user_message=f"I do not know that command.{hint} `/help` shows all; `//` sends it as text.")


def nearest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The candidate most like a word, whatever the case; None when none is like it."""
    by_key = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.casefold(), by_key, n=1, cutoff=cutoff)
    return by_key[found[0]] if found else None


def parse_arguments(command: Command, rest: str) -> ParsedCommand:
    """Raises BadArgument, whose `user_message` says what would work."""
    if command.subcommands:
        return _subcommand(command, rest)
    given: dict[str, str] = {}
    for position, argument in enumerate(command.arguments):
        if _is_left_out(command.arguments[position:], rest):
            continue
        value, rest = (rest, "") if argument.rest else _first_word(rest)
        if value:
            given[argument.name] = _checked(command, argument, value)
        elif argument.required:
            raise BadArgument(user_message=f"Something is missing: {argument.help}. Write `{command.usage}`.")
    if rest:
        raise BadArgument(user_message=f"That is more than I understand. Write `{command.usage}`.")
    return ParsedCommand(command, given)


def _subcommand(command: Command, rest: str) -> ParsedCommand:
    """The first subcommand is what the bare command means."""
    word, after = _first_word(rest)
    if not word:
        return ParsedCommand(command.subcommands[0], {})
    by_name = {item.name: item for item in command.subcommands}
    found = by_name.get(word.casefold())
    if found is not None:
        return parse_arguments(found, after)
    close = nearest(word, by_name)
    hint = f" Did you mean `/{by_name[close].path}`?" if close else ""
    raise BadArgument(user_message=f"After `/{command.name}` comes one of {', '.join(by_name)}.{hint}")


def _is_left_out(arguments: tuple[Argument, ...], rest: str) -> bool:
    """Whether the next word belongs to a later argument by its choices: `/incognito room`."""
    head, *later = arguments
    word = _first_word(rest)[0].casefold()
    return not head.required and word not in head.choices and any(word in argument.choices for argument in later)


def _first_word(text: str) -> tuple[str, str]:
    word, *rest = text.split(maxsplit=1)[:2] or [""]
    return word, rest[0] if rest else ""


def _checked(command: Command, argument: Argument, value: str) -> str:
    if not argument.choices:
        return value
    if value.casefold() in argument.choices:
        return value.casefold()
    close = nearest(value, argument.choices)
    hint = f" Did you mean `{close}`?" if close else ""
    options = ", ".join(argument.choices)
    raise BadArgument(user_message=f"I can use one of: {options}.{hint} Write `{command.usage}`.")
