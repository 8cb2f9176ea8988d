"""`/profile`: several memories for one person. `use` acts at accept, the rest in its turn."""

from __future__ import annotations

from collections.abc import Sequence

from core.batches import ProfilePatch
from core.commands.confirm import ask
from core.commands.format import count, memories, plain, quoted
from core.commands.model import (
    AcceptState,
    Argument,
    Arguments,
    Command,
    CommandContext,
    CommandReply,
    Handler,
    Transition,
)
from core.commands.parse import nearest
from core.commands.receipts import receipt_line, receipt_of
from core.errors import BadArgument, NotFound, OnlyProfile
from core.forgetting import Forgetting
from core.messages import Button
from core.own_data import end_room_talks
from core.profiles import clean_profile_name, name_key
from core.types import ConversationId, ConversationKind, MemoryProfile, Metadata, ProfileId

MAX_COMMAND_BYTES = 60
MAX_BUTTONS = 20
MAX_INSTRUCTIONS = 2_000
MAX_RETENTION = 36_500
DELETE = "profile_delete"


def use(state: AcceptState, arguments: Arguments) -> Transition:
    profile = find_profile(state.profiles, arguments["name"])
    in_room = state.conversation.kind is ConversationKind.SHARED
    if profile.id == chosen_profile(state.profiles, state.member.profile_id).id:
        return Transition(CommandReply(f"Your profile here is **{plain(profile.name)}** already."))
    text = f"Your profile here is **{plain(profile.name)}** now."
    if in_room:
        text += " I use it for what I answer you alone; what the room can read uses the room's own memory."
    else:
        text += " A new talk begins: nothing of the other profile comes along."
    return Transition(CommandReply(text), profile_id=profile.id)


def chosen_profile(profiles: Sequence[MemoryProfile], profile_id: ProfileId | None) -> MemoryProfile:
    """The one chosen for a place, else the default."""
    return next((item for item in profiles if item.id == profile_id), None) or next(
        item for item in profiles if item.is_default
    )


def find_profile(profiles: Sequence[MemoryProfile], name: str) -> MemoryProfile:
    """One of a person's own profiles by name (as a person compares names) or id. Raises NotFound naming the nearest."""
    key = name_key(" ".join(name.split()))
    for profile in profiles:
        if name_key(profile.name) == key:
            return profile
    for profile in profiles:
        if profile.id == name:
            return profile
    names = [profile.name for profile in profiles]
    close = nearest(name, names)
    hint = f" Did you mean **{plain(close)}**?" if close else f" Yours are: {', '.join(plain(item) for item in names)}."
    raise NotFound(user_message=f"You have no profile with that name.{hint}")


def use_command(profile: MemoryProfile) -> str:
    """The command of a profile's button: by name, or by id when the name is too long for a button."""
    command = f"/profile use {profile.name}"
    return command if len(command.encode()) <= MAX_COMMAND_BYTES else f"/profile use {profile.id}"


async def show(context: CommandContext, arguments: Arguments) -> CommandReply:
    profiles = await _own(context)
    member = await context.store.get_member(context.conversation.id, context.user.id)
    current = chosen_profile(profiles, member.profile_id)
    shares = {share.namespace.profile_id for share in await context.store.get_user_shares(context.user.id)}
    lines = ["**Your profiles**", ""]
    for profile in profiles:
        marks = [
            memories(profile.memory_count),
            *(["default"] if profile.is_default else []),
            *(["in use here"] if profile.id == current.id else []),
            *(["shared with a room"] if profile.id in shares else []),
            *([f"kept for {count(profile.retention_days, 'day')}"] if profile.retention_days else []),
        ]
        lines.append(f"- **{plain(profile.name)}**: {', '.join(marks)}")
    lines += ["", "`/profile use NAME` changes it here, `/profile new NAME` makes another."]
    buttons = [Button(profile.name, use_command(profile)) for profile in profiles if profile.id != current.id]
    return CommandReply("\n".join(lines), tuple(buttons[:MAX_BUTTONS]))


async def new(context: CommandContext, arguments: Arguments) -> CommandReply:
    profile = await context.store.create_memory_profile(context.user.id, clean_profile_name(arguments["name"]))
    text = f"The profile **{plain(profile.name)}** is there, empty. Use it here with the button or `/profile use`."
    return CommandReply(text, (Button(f"Use {profile.name}", use_command(profile)),))


async def rename(context: CommandContext, arguments: Arguments) -> CommandReply:
    """Names may hold blanks, so the old one is the longest own name that the text begins with."""
    text = f"{arguments['name']} {arguments.get('new', '')}".strip()
    old, name = _split_name(await _own(context), text, "What should it be called? Write `/profile rename OLD NEW`.")
    cleaned = clean_profile_name(name)
    await context.store.update_memory_profile(context.user.id, old.id, ProfilePatch(name=cleaned))
    return CommandReply(f"**{plain(old.name)}** is called **{plain(cleaned)}** now.")


def _split_name(profiles: Sequence[MemoryProfile], text: str, otherwise: str) -> tuple[MemoryProfile, str]:
    words = text.split()
    by_key = {name_key(profile.name): profile for profile in profiles} | {str(item.id): item for item in profiles}
    for length in range(len(words) - 1, 0, -1):
        profile = by_key.get(name_key(" ".join(words[:length])))
        if profile is not None:
            return profile, " ".join(words[length:])
    find_profile(profiles, text)
    raise BadArgument(user_message=otherwise)


async def delete(context: CommandContext, arguments: Arguments) -> CommandReply:
    profiles = await _own(context)
    profile = find_profile(profiles, arguments["name"])
    if len(profiles) == 1:
        raise OnlyProfile
    text = (
        f"Delete the profile **{plain(profile.name)}** with {memories(profile.memory_count)}? "
        "There is no way back. Its talks go too."
    )
    return await ask(context, text, f"Delete {profile.name}", DELETE, {"profile": profile.id})


async def delete_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    """Memory first: should the second step fail, an empty profile is left and nothing of its content."""
    profiles = await _own(context)
    profile = find_profile(profiles, str(payload["profile"]))
    if len(profiles) == 1:
        raise OnlyProfile
    removal = await Forgetting.of(context).profile(profile.namespace, context.turn.stamp.session_id)
    removal.count({"memories": await context.store.delete_memory_profile(context.user.id, profile.id), "profiles": 1})
    removal.verified = removal.verified and profile.id not in [item.id for item in await _own(context)]
    receipt = await receipt_of(context, "profile", removal)
    return CommandReply(
        f"The profile **{plain(profile.name)}** is gone, with {memories(removal.removed['memories'])} and its talks. "
        f"{receipt_line(receipt)}"
    )


async def default(context: CommandContext, arguments: Arguments) -> CommandReply:
    profile = find_profile(await _own(context), arguments["name"])
    await context.store.set_default_memory_profile(context.user.id, profile.id)
    return CommandReply(f"**{plain(profile.name)}** is your default now: in every place where you chose no other.")


async def share(context: CommandContext, arguments: Arguments) -> CommandReply:
    profile = find_profile(await _own(context), arguments["name"])
    await context.store.share_profile(_room(context), profile.namespace)
    await end_room_talks(context.store, context.conversation, context.clock)
    return CommandReply(
        f"**Careful:** from now on everybody who can read this room can get anything quoted that I remember in "
        f"**{plain(profile.name)}** ({memories(profile.memory_count)}), and what I learn there later. "
        "A new talk begins here. Take it back at any time:",
        (Button("Unshare", _unshare_command(profile)),),
    )


async def unshare(context: CommandContext, arguments: Arguments) -> CommandReply:
    profile = find_profile(await _own(context), arguments["name"])
    if not await context.store.unshare_profile(_room(context), profile.namespace):
        return CommandReply(f"**{plain(profile.name)}** was not shared here.")
    await end_room_talks(context.store, context.conversation, context.clock)
    return CommandReply(
        f"**{plain(profile.name)}** is no longer shared here. What I quoted of it before stays in the room's messages."
    )


def _unshare_command(profile: MemoryProfile) -> str:
    return f"/profile unshare {profile.id}"


async def instructions(context: CommandContext, arguments: Arguments) -> CommandReply:
    text = arguments.get("text", "")
    profile = await context.store.get_memory_profile(context.user.id, await _current(context))
    name = plain(profile.name)
    if not text:
        if not profile.instructions:
            return CommandReply(f"**{name}** has no instructions. `/profile instructions TEXT` gives me some.")
        return CommandReply(f"Instructions of **{name}**: {quoted(profile.instructions, MAX_INSTRUCTIONS)}")
    if len(text) > MAX_INSTRUCTIONS:
        raise BadArgument(user_message=f"Instructions have up to {MAX_INSTRUCTIONS:,} characters.")
    if text.casefold() == "clear":
        await context.store.update_memory_profile(context.user.id, profile.id, ProfilePatch(instructions=""))
        return CommandReply(f"**{name}** has no instructions any more.")
    await context.store.update_memory_profile(context.user.id, profile.id, ProfilePatch(instructions=text))
    return CommandReply(
        f"I follow these instructions whenever **{name}** is in use. `/profile instructions` shows them."
    )


async def retention(context: CommandContext, arguments: Arguments) -> CommandReply:
    """How long talk and memories of a profile are kept; without days it is shown."""
    profiles = await _own(context)
    text = f"{arguments['name']} {arguments.get('days', '')}".strip()
    if name_key(text) in {name_key(profile.name) for profile in profiles}:
        profile = find_profile(profiles, text)
    else:
        profile, wanted = _split_name(profiles, text, "For how long? Write `/profile retention NAME DAYS`, or `off`.")
        patch = ProfilePatch(retention_days=_days(wanted))
        profile = await context.store.update_memory_profile(context.user.id, profile.id, patch)
    name = plain(profile.name)
    if profile.retention_days is None:
        return CommandReply(
            f"**{name}** has no time limit of its own: what I know there is kept until it is forgotten."
        )
    return CommandReply(
        f"Talk and memories of **{name}** go after {count(profile.retention_days, 'day')}, within the hour. "
        f"`/profile retention {profile.name} off` keeps them."
    )


def _days(text: str) -> int:
    """0: for ever. Raises BadArgument."""
    word = text.casefold().removesuffix("days").removesuffix("day").strip()
    if word in {"off", "never", "0"}:
        return 0
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= MAX_RETENTION):
        raise BadArgument(user_message=f"Write a number of days, 1 to {MAX_RETENTION:,}, or `off`.")
    return int(word)


async def _own(context: CommandContext) -> list[MemoryProfile]:
    return await context.store.get_memory_profiles(context.user.id)


async def _current(context: CommandContext) -> ProfileId:
    member = await context.store.get_member(context.conversation.id, context.user.id)
    return chosen_profile(await _own(context), member.profile_id).id


def _room(context: CommandContext) -> ConversationId:
    """The room that a share counts in: of a thread, its channel. Raises BadArgument in a private chat."""
    if context.conversation.kind is not ConversationKind.SHARED:
        raise BadArgument(user_message="Sharing is for rooms: write that in the channel or group.")
    return context.conversation.parent_id or context.conversation.id


_NAME = Argument("name", "the profile's name", required=True, rest=True, completes="profile")


def _sub(name: str, summary: str, *arguments: Argument, handler: Handler, destructive: bool = False) -> Command:
    return Command(name, summary, arguments, private=True, handler=handler, destructive=destructive, parent="profile")


_LIST = Command(
    "list",
    "Show your profiles",
    private=True,
    while_running=True,
    handler=show,
    parent="profile",
    spoken=("",),
)
_USE = Command(
    "use",
    "Change to another profile in this place",
    (_NAME,),
    private=True,
    while_running=True,
    transition=use,
    parent="profile",
    spoken=(r"\S+",),
)
SUBCOMMANDS = (
    _LIST,
    _USE,
    _sub("new", "Make a profile", Argument("name", "its name", required=True, rest=True), handler=new),
    _sub(
        "rename",
        "Rename a profile",
        Argument("name", "its present name", required=True, completes="profile"),
        Argument("new", "its new name", rest=True),
        handler=rename,
    ),
    _sub("delete", "Delete a profile with its memories", _NAME, handler=delete, destructive=True),
    _sub("default", "Choose the profile that is used where you chose none", _NAME, handler=default),
    _sub(
        "retention",
        "Set how long a profile's talk and memories are kept",
        Argument("name", "the profile's name", required=True, completes="profile"),
        Argument("days", "a number of days, or `off`; shows it when left out", rest=True),
        handler=retention,
    ),
    _sub("share", "Let a room's answers use a profile of yours", _NAME, handler=share),
    _sub("unshare", "Take a share back", _NAME, handler=unshare),
    _sub(
        "instructions",
        "Tell me how to answer while this profile is in use",
        Argument("text", "what I should follow; `clear` removes it; shows it when left out", rest=True),
        handler=instructions,
    ),
)

ACTIONS_OF_PROFILE = tuple(item.name for item in SUBCOMMANDS)
COMMANDS = (
    Command(
        "profile",
        "Keep several memories apart, and choose one for this place",
        (
            Argument("action", "what to do; shows your profiles when left out", ACTIONS_OF_PROFILE),
            Argument("name", "the profile's name", rest=True, completes="profile"),
        ),
        private=True,
        while_running=True,
        subcommands=SUBCOMMANDS,
        spoken=("",),
    ),
)

ACTIONS = {DELETE: delete_confirmed}
