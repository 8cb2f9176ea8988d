"""`/help`, `/status`, `/usage` and `/timezone`."""

from __future__ import annotations

import asyncio
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from core.batches import UserPatch
from core.commands.format import count, memories, plain, zone
from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply
from core.commands.parse import find, nearest
from core.commands.privacy import MEANING, TITLE
from core.errors import BadArgument
from core.messages import Button
from core.privacy import badge
from core.types import ConversationKind, MemoryProfile, Usage

MAX_SUGGESTIONS = 3

Commands = Callable[[], Mapping[str, Command]]


def help_commands(commands: Commands) -> tuple[Command, ...]:
    """`/help`, and `/start`, which some chat programs send by themselves at first contact."""

    async def show_help(context: CommandContext, arguments: Arguments) -> CommandReply:
        wanted = arguments.get("command", "").lstrip("/")
        if wanted:
            return CommandReply(help_for(find(commands(), wanted.split()[0])))
        return CommandReply(overview(tuple(commands().values())))

    topic = Argument("command", "the command to explain", rest=True, completes="command")
    start = Argument("payload", "of a link", rest=True)

    async def show_start(context: CommandContext, arguments: Arguments) -> CommandReply:
        return await show_help(context, {})

    return (
        Command("help", "Show what I understand", (topic,), while_running=True, handler=show_help, spoken=("",)),
        Command("start", "Show what I understand", (start,), while_running=True, handler=show_start, hidden=True),
    )


def overview(commands: Sequence[Command]) -> str:
    lines = [f"- `{command.usage}`: {command.summary}" for command in commands if not command.hidden]
    return "\n".join(
        [
            "Just write to me. These commands I know:",
            "",
            *lines,
            "",
            "`/help COMMAND` explains one. Short ones work without the slash too: `pause`, `incognito on`, "
            "`forget last`. A message that begins with `//` is sent as text.",
        ]
    )


def help_for(command: Command) -> str:
    lines = [f"`{command.usage}`: {command.summary}"]
    lines += [f"- `{item.usage}`: {item.summary}" for item in command.subcommands]
    if not command.subcommands:
        lines += [f"- `{argument.name}`: {argument.help}" for argument in command.arguments]
    notes = []
    if command.private:
        notes.append("Only you see the answer.")
    if command.destructive:
        notes.append("I ask before anything big is destroyed.")
    return "\n".join([*lines, *(["", " ".join(notes)] if notes else [])])


async def status(context: CommandContext, arguments: Arguments) -> CommandReply:
    stamp, store = context.turn.stamp, context.store
    profile = await store.get_memory_profile(context.user.id, stamp.profile_id)
    session = await store.get_chat_session(stamp.owner_id, stamp.session_id)
    usage = await store.get_usage(context.user.id, context.clock.now().date())
    mode = stamp.mode
    sign = f" Every reply carries the sign {badge(mode)}." if badge(mode) else ""
    model = context.model
    rows = {
        "Profile": f"{plain(profile.name)} ({memories(profile.memory_count)})",
        "Mode": f"{TITLE[mode]}. {MEANING[mode]}{sign}",
        "Session": f"since {session.created_at.astimezone(zone(context.user.timezone)):%Y-%m-%d %H:%M}, "
        f"{count(session.message_count, 'message')}",
        "Model": "offline: I only store and quote, no language model is connected" if model.is_offline else model.name,
        "Memory": "ready" if context.memory.is_ready else "loading",
        "Today": _used(usage),
        "Version": product_version(),
        **context.status,
    }
    if context.conversation.kind is ConversationKind.SHARED:
        rows["Room"] = await _room_row(context)
    return CommandReply("\n".join(f"- **{title}:** {text}" for title, text in rows.items()))


async def _room_row(context: CommandContext) -> str:
    place = context.conversation.parent_id or context.conversation.id
    shared = len(await context.store.get_shares(place))
    floor = context.conversation.mode_floor
    return (
        f"what all can read uses this room's own memory and {count(shared, 'shared profile')}; "
        f"for everybody at least: {TITLE[floor].lower()}"
    )


async def usage(context: CommandContext, arguments: Arguments) -> CommandReply:
    today = await context.store.get_usage(context.user.id, context.clock.now().date())
    profiles = await context.store.get_memory_profiles(context.user.id)
    return CommandReply(f"Today (UTC): {_used(today)}. I remember {_all(profiles)}.")


def _used(usage: Usage) -> str:
    tokens = f"{usage.prompt_tokens:,} tokens read, {usage.completion_tokens:,} written"
    return f"{count(usage.messages, 'message')}, {tokens}"


def _all(profiles: Sequence[MemoryProfile]) -> str:
    number = memories(sum(profile.memory_count for profile in profiles))
    return f"{number} in {count(len(profiles), 'profile')}"


@cache
def product_version() -> str:
    try:
        return version("memorychat")
    except PackageNotFoundError:
        return "unknown"


async def timezone(context: CommandContext, arguments: Arguments) -> CommandReply:
    wanted = arguments.get("name", "")
    if not wanted:
        now = context.clock.now().astimezone(zone(context.user.timezone))
        return CommandReply(
            f"Your time zone is **{plain(context.user.timezone)}**, where it is {now:%H:%M}. `/timezone Europe/Berlin` "
            "sets another."
        )
    name, near = match_zone(await asyncio.to_thread(zone_names), wanted)
    if name is None:
        if not near:
            raise BadArgument(user_message="I do not know that time zone. Write it like `Europe/Berlin`.")
        buttons = tuple(Button(item, f"/timezone {item}") for item in near)
        return CommandReply(f"Did you mean {' or '.join(f'`{item}`' for item in near)}?", buttons)
    await context.store.update_user(context.user.id, UserPatch(timezone=name))
    now = context.clock.now().astimezone(zone(name))
    return CommandReply(f"Your time zone is **{plain(name)}** now, where it is {now:%H:%M}.")


@cache
def zone_names() -> tuple[str, ...]:
    """Every IANA name that this machine knows. Reads the disk the first time."""
    return tuple(sorted(zoneinfo.available_timezones()))


def match_zone(names: Sequence[str], wanted: str) -> tuple[str | None, list[str]]:
    """The one that is meant without doubt (`europe/berlin`, `berlin`), else those that are near.

    A guess is never taken, also when there is but one: two zones that look alike may be hours apart.
    """
    key = "_".join(wanted.split()).casefold()
    by_city: dict[str, list[str]] = {}
    for name in names:
        by_city.setdefault(name.rpartition("/")[2].casefold(), []).append(name)
    exact = [name for name in names if name.casefold() == key] or by_city.get(key, [])
    if len(exact) == 1:
        return exact[0], []
    city = nearest(key, by_city, cutoff=0.75)
    near = [*exact, nearest(key, names, cutoff=0.75), *(by_city[city] if city else [])]
    return None, list(dict.fromkeys(name for name in near if name))[:MAX_SUGGESTIONS]


COMMANDS = (
    Command(
        "status", "Show profile, mode, model and memory", private=True, while_running=True, handler=status, spoken=("",)
    ),
    Command("usage", "Show what you used today", private=True, while_running=True, handler=usage, spoken=("",)),
    Command(
        "timezone",
        "Show or set your time zone",
        (Argument("name", "an IANA name such as Europe/Berlin, or a city", rest=True, completes="timezone"),),
        private=True,
        while_running=True,
        handler=timezone,
    ),
)
