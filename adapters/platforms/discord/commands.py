"""Discord's command tree, generated from the one registry."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import discord
from discord import app_commands

from adapters.platforms.discord.errors import SDK_ERRORS

log = logging.getLogger(__name__)

MAX_DESCRIPTION = 100
MAX_CHOICES = 25
MAX_CHOICE = 100
_NAME = re.compile(r"[-_a-z0-9]{1,32}")

Run = Callable[[discord.Interaction, str], Awaitable[None]]
"""Takes a slash command as the text that says the same: `/profile use work`."""

Complete = Callable[[str, str], Awaitable[Iterable[str]]]
"""What an argument that `completes` something (`profile`, …) may be, for the person with that external id."""


class ArgumentSpec(Protocol):
    """What the tree needs of `core.commands.model.Argument`."""

    @property
    def name(self) -> str: ...

    @property
    def help(self) -> str: ...

    @property
    def choices(self) -> tuple[str, ...]: ...

    @property
    def required(self) -> bool: ...

    @property
    def completes(self) -> str: ...


class CommandSpec(Protocol):
    """What the tree needs of `core.commands.registry.Command`."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def arguments(self) -> Sequence[ArgumentSpec]: ...

    @property
    def subcommands(self) -> Sequence[CommandSpec]: ...

    @property
    def hidden(self) -> bool: ...


ClientT = TypeVar("ClientT", bound=discord.Client)
_Command = app_commands.Command[Any, ..., None]


def build_tree(
    client: ClientT, commands: Sequence[CommandSpec], run: Run, complete: Complete | None
) -> app_commands.CommandTree[ClientT]:
    """Everything but hidden commands, usable in servers, in DMs, and by people who installed the app for themselves."""
    tree = app_commands.CommandTree(
        client,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
    )
    for command in commands:
        if not command.hidden and _NAME.fullmatch(command.name):
            tree.add_command(_group(command, run, complete) if command.subcommands else _leaf(command, run, complete))
    return tree


async def sync(tree: app_commands.CommandTree[Any]) -> None:
    """Tell Discord only what it does not know: it allows 200 new commands a day. Never fatal, because what it knew
    before still works."""
    try:
        # Not by fetch_commands: what the SDK 2.7.1 makes of it has lost where a command may be used.
        payloads = await tree.client.http.get_global_commands(tree.client.application_id)
        known = {payload["name"]: _essence(payload) for payload in payloads}
        wanted = {command.name: _essence(command.to_dict(tree)) for command in tree.get_commands()}
        if known != wanted:
            await tree.sync()
            log.info("%d slash commands registered", len(wanted))
    except SDK_ERRORS as error:
        log.warning("the slash commands were not registered: %s", type(error).__name__)


def _group(command: CommandSpec, run: Run, complete: Complete | None) -> app_commands.Group:
    """Discord runs only the subcommands of a group, never the group itself."""
    group = app_commands.Group(name=command.name, description=_described(command.summary))
    for item in command.subcommands:
        if not item.hidden:
            group.add_command(_leaf(item, run, complete))
    return group


def _leaf(command: CommandSpec, run: Run, complete: Complete | None) -> _Command:
    async def callback(interaction: discord.Interaction, **given: str | None) -> None:
        words = (given.get(argument.name) for argument in command.arguments)
        await run(interaction, " ".join([f"/{command.path}", *(word for word in words if word)]))

    # The SDK reads a command's arguments from its callback's signature.
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # functions take any attribute
        [
            inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=discord.Interaction),
            *(_parameter(argument) for argument in command.arguments),
        ]
    )
    if command.arguments:
        callback = app_commands.describe(**{item.name: _described(item.help) for item in command.arguments})(callback)
    if chosen := {item.name: _choices(item.choices) for item in command.arguments if item.choices}:
        callback = app_commands.choices(**chosen)(callback)
    if complete is not None:
        offered = {item.name: _completer(item.completes, complete) for item in command.arguments if item.completes}
        callback = app_commands.autocomplete(**offered)(callback)
    return app_commands.Command(name=command.name, description=_described(command.summary), callback=callback)


def _parameter(argument: ArgumentSpec) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    if argument.required:
        return inspect.Parameter(argument.name, kind, annotation=str)
    return inspect.Parameter(argument.name, kind, annotation=str | None, default=None)


def _choices(values: Iterable[str]) -> list[app_commands.Choice[str]]:
    fitting = [value for value in values if 0 < len(value) <= MAX_CHOICE]
    return [app_commands.Choice(name=value, value=value) for value in fitting[:MAX_CHOICES]]


def _completer(
    what: str, complete: Complete
) -> Callable[[discord.Interaction, str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]:
    async def offer(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        """Nothing rather than an error: the person can still type it."""
        try:
            offered = await complete(what, str(interaction.user.id))
        except Exception as error:
            log.warning("no completion: %s", type(error).__name__)
            return []
        key = current.casefold()
        return _choices(sorted((value for value in offered if key in value.casefold()), key=str.casefold))

    return offer


def _described(text: str) -> str:
    return text if 0 < len(text) <= MAX_DESCRIPTION else (text[: MAX_DESCRIPTION - 1] + "…")


def _essence(command: Mapping[str, Any]) -> dict[str, Any]:
    """What a command looks like, without what Discord fills in."""
    essence = {key: command.get(key) for key in ("name", "description", "type", "contexts", "integration_types")}
    return essence | {"options": [_option(option) for option in command.get("options") or ()]}


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: option.get(key) for key in ("name", "description", "type")},
        **{key: bool(option.get(key)) for key in ("required", "autocomplete")},
        "choices": [(choice["name"], choice["value"]) for choice in option.get("choices") or ()],
        "options": [_option(inner) for inner in option.get("options") or ()],
    }
