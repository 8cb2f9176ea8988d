"""`/memories` and `/remember`."""

from __future__ import annotations

from core.commands.format import memories
from core.commands.listing import numbered, remember_listing
from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply
from core.commands.scope import Scope, matches, scope_of, visible
from core.errors import BadArgument, Conflict
from core.ports import MemoryOrigin
from core.secrecy import holds_secret
from core.types import MemoryState, PrivacyMode

PAGE_SIZE = 10


async def show(context: CommandContext, arguments: Arguments) -> CommandReply:
    """`/memories [page|query]`."""
    wanted = arguments.get("query", "")
    scope = await scope_of(context)
    if wanted and not wanted.isdecimal():
        return await _show_found(context, scope, wanted)
    everything = await visible(context, scope, include_superseded=True)
    current = [memory for memory in everything if memory.state is not MemoryState.SUPERSEDED]
    if not current:
        return CommandReply(f"I remember nothing in {scope.name} yet.{_whose(scope)}")
    last_page = (len(current) + PAGE_SIZE - 1) // PAGE_SIZE
    page = min(max(int(wanted[:6] or 1), 1), last_page)
    start, end = (page - 1) * PAGE_SIZE, page * PAGE_SIZE
    await remember_listing(context, [scope.entry(memory) for memory in current[:end]])
    old = [memory for memory in everything if memory.state is MemoryState.SUPERSEDED]
    lines, buttons = numbered(context, current[start:end], start + 1, old)
    head = f"What I remember in {scope.name}: {memories(len(current))}, page {page} of {last_page}.{_whose(scope)}"
    foot = f"`/memories {page + 1}` shows more. " if page < last_page else ""
    return CommandReply(f"{head}\n\n{lines}\n\n{foot}`/forget NUMBER` forgets one.", buttons)


def _whose(scope: Scope) -> str:
    return " Only what you said yourself is shown." if scope.author is not None else ""


async def _show_found(context: CommandContext, scope: Scope, query: str) -> CommandReply:
    found = await matches(context, scope, query)
    if not found:
        return CommandReply(f"I find nothing about that in {scope.name}.")
    shown = found[:PAGE_SIZE]
    await remember_listing(context, [scope.entry(memory) for memory in shown])
    lines, buttons = numbered(context, shown)
    foot = "`/forget NUMBER` forgets one."
    return CommandReply(f"What I remember about that in {scope.name}:\n\n{lines}\n\n{foot}", buttons)


async def remember(context: CommandContext, arguments: Arguments) -> CommandReply:
    """`/remember TEXT` goes where the turn's words would be learned: the person's profile, or the room's memory."""
    stamp = context.turn.stamp
    if stamp.learn is None:
        mode = "incognito" if stamp.mode is PrivacyMode.INCOGNITO else "paused"
        way = "/incognito off" if stamp.mode is PrivacyMode.INCOGNITO else "/resume"
        raise Conflict(user_message=f"I learn nothing while you are {mode}, also not on request. `{way}` changes that.")
    if holds_secret(arguments["text"]):
        raise BadArgument(
            user_message="That looks like a password, a code, a key or a card number. I never keep those, also not on "
            "request."
        )
    origin = MemoryOrigin(
        said_at=context.turn.sent_at,
        author_id=context.user.id,
        author_name=context.turn.content.sender_name,
        platform=context.turn.address.place.platform,
        source_turns=(context.turn.id,),
    )
    await context.memory.add_memory(stamp.learn, arguments["text"], origin)
    where = "in your memory" if stamp.learn.user_id == context.user.id else "in this room's memory"
    return CommandReply(f"I keep that {where}. `/memories` shows it, `/forget` removes it.")


COMMANDS = (
    Command(
        "memories",
        "Show what I remember",
        (Argument("query", "a page number, or words to search for", rest=True, form="PAGE|WORDS"),),
        private=True,
        while_running=True,
        handler=show,
        spoken=("", r"\d{1,4}"),
    ),
    Command(
        "remember",
        "Keep something for good",
        (Argument("text", "what to keep", required=True, rest=True),),
        handler=remember,
    ),
)
