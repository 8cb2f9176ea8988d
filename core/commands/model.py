"""What a command is. Platforms build their menus from these, the inbox and the engine run them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.forgetting import EraseFiles, no_files
from core.linking import Linking
from core.messages import Button, OutboundFile, RoomRole, Turn
from core.ports import Clock, EphemeralStore, LanguageModel, MemoryPort, Store
from core.sealing import Sealer
from core.types import (
    Conversation,
    Member,
    MemoryProfile,
    Metadata,
    PrivacyMode,
    ProfileId,
    TurnId,
    User,
)

Arguments = Mapping[str, str]
"""The arguments that were given, by name; one that was left out is not in it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """`rest` takes the rest of the line as it stands. `completes` says what to offer: `profile`, `timezone`,
    `command`. `form` is how the usage shows it, where the name alone would tell too little.
    """

    name: str
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    rest: bool = False
    completes: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class CommandReply:
    """`rerun`: a turn that was opened again and now waits in the inbox (`/retry`). `erased`: the person is gone with
    all their rows, those of this turn too, so that the reply can only be sent, not recorded (`/erase`).
    """

    text: str
    buttons: tuple[Button, ...] = ()
    files: tuple[OutboundFile, ...] = ()
    rerun: TurnId | None = None
    erased: bool = False


@dataclass(frozen=True, slots=True)
class AcceptState:
    """What a transition may look at. `incognito_unavailable` is the reason, None where incognito can be held."""

    user: User
    member: Member
    conversation: Conversation
    profiles: tuple[MemoryProfile, ...]
    role: RoomRole
    incognito_unavailable: str | None
    running: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """What changes at accept; None and False change nothing."""

    reply: CommandReply
    mode: PrivacyMode | None = None
    profile_id: ProfileId | None = None
    new_session: bool = False
    mode_floor: PrivacyMode | None = None
    cancel_running: bool = False


@dataclass(frozen=True, slots=True)
class CommandContext:
    """`erase_files` removes what this machine keeps of a person outside the store. `status` are lines that the process
    adds to `/status`, by title."""

    turn: Turn
    user: User
    conversation: Conversation
    role: RoomRole
    store: Store
    memory: MemoryPort
    model: LanguageModel
    clock: Clock
    ephemeral: EphemeralStore
    sealer: Sealer
    linking: Linking
    status: Mapping[str, str] = field(default_factory=dict)
    erase_files: EraseFiles = no_files


TransitionRule = Callable[[AcceptState, Arguments], Transition]
Handler = Callable[[CommandContext, Arguments], Awaitable[CommandReply]]
ConfirmedAction = Callable[[CommandContext, Metadata], Awaitable[CommandReply]]
"""What happens when a question was answered with yes; gets the payload that was kept with the question."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one subcommand (`parent` names its command then).

    `private`: answered only where the asker alone can read it. `while_running`: may pass a running turn. `transition`
    acts at accept: pure, raises InputError, Forbidden, Conflict or PrivacyError. `handler` runs in its turn. A command
    with neither (`ask`) is rewritten by the inbox. `spoken` are the forms of the arguments (regular expressions, `""`
    for none) with which it counts as a command without the slash. `hidden`: in no menu. A command with `subcommands`
    still has arguments of its own, so that a platform without subcommands can offer it flat.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    private: bool = False
    while_running: bool = False
    transition: TransitionRule | None = None
    handler: Handler | None = None
    destructive: bool = False
    subcommands: tuple[Command, ...] = ()
    parent: str = ""
    spoken: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def path(self) -> str:
        """The words after the slash: `pause`, `profile use`."""
        return f"{self.parent} {self.name}".strip()

    @property
    def usage(self) -> str:
        """As the person types it, with its arguments: `/timezone [name]`."""
        return " ".join([f"/{self.path}", *(_shown(argument) for argument in self.arguments)])


def _shown(argument: Argument) -> str:
    name = argument.name.upper() if argument.rest else argument.name
    inner = argument.form or "|".join(argument.choices) or name
    return inner if argument.required else f"[{inner}]"
