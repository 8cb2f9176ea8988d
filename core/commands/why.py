"""`/why`: which memories the last reply used, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import product

from core.commands.forget import ENDED
from core.commands.format import day, memories, quoted
from core.commands.listing import Entry, forget_button, line, remember_listing
from core.commands.model import Arguments, Command, CommandContext, CommandReply
from core.commands.scope import is_manager, may_forget
from core.errors import KeyMissing, NotFound
from core.messages import Button, InboxRow
from core.sealing import session_scope
from core.types import Memory, MemoryId, MemoryNamespace, MemoryState, PrivacyMode, Role, TurnId

MAX_SOURCES = 2


async def why(context: CommandContext, arguments: Arguments) -> CommandReply:
    """Which memories the last reply to me used, with their sources."""
    row = await context.store.last_turn(context.conversation.id, context.user.id, states=ENDED)
    if row is None:
        return CommandReply("I have not answered anything of yours here yet.")
    if row.stamp.mode is PrivacyMode.INCOGNITO:
        return CommandReply("Your last message was incognito: the reply used no memory at all.")
    used = await _used(context, row)
    if used is None:
        return CommandReply("I keep no record of that reply any more.")
    if not used:
        return CommandReply("My last reply to you used no memory that is still there: only what stands in our talk.")
    entries = [_why_entry(context, memory) for memory in used]
    await remember_listing(context, entries)
    lines: list[str] = []
    buttons: list[Button] = []
    for number, (memory, entry) in enumerate(zip(used, entries, strict=True), 1):
        lines += [line(context, number, memory), await _source(context, memory)]
        if await may_forget(context, entry):
            buttons.append(forget_button(context, memory, f"Forget {number}"))
    text = "\n".join(lines)
    foot = "\n\n`/forget NUMBER` forgets one." if buttons else ""
    return CommandReply(f"**My last reply to you used {memories(len(used))}**\n\n{text}{foot}", tuple(buttons))


def _why_entry(context: CommandContext, memory: Memory) -> Entry:
    of_room = memory.namespace.user_id == context.conversation.space_id
    return Entry(memory.namespace, memory.id, managed=of_room and is_manager(context))


async def _source(context: CommandContext, memory: Memory) -> str:
    """Where a memory comes from: platform, date, and the words themselves unless they are somebody else's profile."""
    if memory.namespace.user_id not in {context.user.id, context.conversation.space_id}:
        return "  - from a profile that its owner shares with this room"
    where = f" on {memory.platform.capitalize()}" if memory.platform else ""
    said = f"  - told{where} on {day(memory.said_at, context.user.timezone)}"
    words = await _own_words(context, memory)
    return f"{said}: {', '.join(quoted(text) for text in words)}" if words else f"{said}; the message itself is gone"


async def _used(context: CommandContext, row: InboxRow) -> list[Memory] | None:
    """Those that are still there and that this person may still see; None when the reply is not on record."""
    messages = await context.store.get_turn_messages(context.user.id, row.id)
    replies = [message for message in messages if message.role is Role.ASSISTANT]
    if not replies:
        return None
    allowed = await _still_allowed(context, row)
    found: dict[MemoryId, Memory] = {}
    for memory_id in _ids(replies[-1].metadata.get("memories_used")):
        for namespace in allowed:
            with suppress(NotFound):
                found[MemoryId(memory_id)] = await context.memory.get_memory(namespace, MemoryId(memory_id))
                break
    # Learning gave what a turn told another id; the turn is the same.
    known = {turn for memory in found.values() for turn in memory.source_turns}
    missing = [TurnId(turn) for turn in _ids(replies[-1].metadata.get("turns_used")) if turn not in known]
    for memory in await _learned_of(context, allowed, missing):
        found.setdefault(memory.id, memory)
    return list(found.values())


async def _learned_of(
    context: CommandContext, allowed: Sequence[MemoryNamespace], turns: Sequence[TurnId]
) -> list[Memory]:
    """What is remembered of those turns today."""
    owners = {namespace.user_id for namespace in allowed}
    learned = []
    for owner, turn_id in product(owners, turns):
        for record in await context.store.find_memories_by_turn(owner, turn_id):
            if record.namespace in allowed and record.state is not MemoryState.SUPERSEDED:
                with suppress(NotFound):
                    learned.append(await context.memory.get_memory(record.namespace, record.id))
    return learned


def _ids(given: object) -> list[str]:
    return [str(item) for item in given] if isinstance(given, list | tuple) else []


async def _still_allowed(context: CommandContext, row: InboxRow) -> list[MemoryNamespace]:
    """Of what the reply could recall: own, the space's, and what is shared here to this day."""
    place = context.conversation.parent_id or context.conversation.id
    shared = {share.namespace for share in await context.store.get_shares(place)}
    own = {context.user.id, context.conversation.space_id}
    return [namespace for namespace in row.stamp.recall if namespace.user_id in own or namespace in shared]


async def _own_words(context: CommandContext, memory: Memory) -> list[str]:
    """What was said when the memory was learned, as it was written; empty where that is gone."""
    words: list[str] = []
    for turn_id in memory.source_turns[:MAX_SOURCES]:
        for message in await context.store.get_turn_messages(memory.namespace.user_id, turn_id):
            if message.role is not Role.USER:
                continue
            try:
                words.append(await context.sealer.open(session_scope(message.session_id), message.content))
            except (KeyMissing, NotFound):
                continue
    return words


COMMANDS = (Command("why", "Show which memories the last reply used", private=True, handler=why),)
