"""`/forget`: one memory, those of the last message, those about something, or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.commands.confirm import ask, split_place
from core.commands.format import count, memories
from core.commands.listing import Entry, by_prefix, listed, load_entries, numbered, remember_listing
from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply
from core.commands.receipts import receipt_line, receipt_of
from core.commands.scope import Scope, matches, may_forget, scope_of, visible
from core.errors import NotFound
from core.forgetting import Forgetting, Removal
from core.types import (
    ConversationId,
    MemoryNamespace,
    Metadata,
    TurnId,
    TurnState,
    UserId,
)

MAX_OFFERED = 10
PLATFORM_KEEPS = "What stands on the chat platform stays there."
TURN = "turn:"
"""A button's reference to all that came of one message, by its turn's id."""
FORGET_ALL = "forget_all"
FORGET_THESE = "forget_these"
ENDED = (TurnState.ANSWERED, TurnState.FAILED, TurnState.CANCELLED)


async def forget(context: CommandContext, arguments: Arguments) -> CommandReply:
    """`/forget [N|last|all|QUERY]`; a button's reference is `#` and the beginning of a memory's id."""
    what = arguments.get("what", "")
    if not what:
        return CommandReply(
            "What shall I forget? `/forget NUMBER` (as `/memories` shows it), `/forget last` (what I learned from your "
            "last message), `/forget WORDS` (I show what fits), `/forget all`."
        )
    if what.startswith(TURN):
        return await _forget_turn(context, TurnId(what.removeprefix(TURN)))
    if what.startswith("#"):
        reference, place = split_place(context, what[1:])
        return await _forget_one(context, await _pointed_at(context, reference, place))
    if what.isdecimal():
        return await _forget_one(context, await _numbered_so(context, int(what[:6])))
    if what.casefold() == "last":
        return await _forget_last(context)
    if what.casefold() == "all":
        return await _ask_all(context)
    return await _offer(context, what)


async def _numbered_so(context: CommandContext, number: int) -> Entry | None:
    entries = await listed(context, context.conversation.id)
    return entries[number - 1] if 0 < number <= len(entries) else None


async def _pointed_at(context: CommandContext, prefix: str, place: ConversationId) -> Entry | None:
    """What a button names: in the list it stood in, else among all that this place shows."""
    entry = by_prefix(await listed(context, place), prefix)
    if entry is not None:
        return entry
    scope = await scope_of(context)
    shown = await visible(context, scope, include_superseded=True)
    return by_prefix([scope.entry(memory) for memory in shown], prefix)


async def _forget_one(context: CommandContext, entry: Entry | None) -> CommandReply:
    if entry is None or not await may_forget(context, entry):
        raise NotFound(user_message="That memory is not in the list I showed you last. `/memories` shows a fresh one.")
    return await _forget_entries(context, [entry], "memory")


async def _forget_entries(context: CommandContext, entries: Sequence[Entry], scope: str) -> CommandReply:
    """With the messages that they came from, so that no learning job brings them back; look again; a receipt."""
    removal = await Forgetting.of(context).memories([(entry.namespace, entry.memory_id) for entry in entries])
    receipt = await receipt_of(context, scope, removal)
    gone = removal.removed["memories"]
    if not gone:
        return CommandReply("That is forgotten already.")
    return CommandReply(f"Forgotten: {_what(removal)}. {receipt_line(receipt)} {PLATFORM_KEEPS}")


def _what(removal: Removal) -> str:
    messages = removal.removed.get("messages", 0)
    words = f", with {count(messages, 'message')} of our talk" if messages else ""
    return memories(removal.removed["memories"]) + words


async def _forget_turn(context: CommandContext, turn_id: TurnId) -> CommandReply:
    """All that came of one message of one's own, under whatever ids it is remembered by now."""
    if not await context.store.find_memories_by_turn(context.user.id, turn_id):
        raise NotFound(user_message="Nothing is remembered of that message any more.")
    removal = await Forgetting.of(context).turn(context.user.id, turn_id)
    receipt = await receipt_of(context, "turn", removal)
    return CommandReply(f"Forgotten: {_what(removal)}. {receipt_line(receipt)} {PLATFORM_KEEPS}")


async def _forget_last(context: CommandContext) -> CommandReply:
    row = await context.store.last_turn(context.conversation.id, context.user.id, states=ENDED)
    if row is None:
        raise NotFound(user_message="There is no message of yours here that I could have learned from.")
    removal = await Forgetting.of(context).turn(context.user.id, row.id)
    receipt = await receipt_of(context, "last", removal)
    if not removal.removed["memories"]:
        text = "I had learned nothing from your last message, and shall not: it is out of our talk now."
        return CommandReply(f"{text} {receipt_line(receipt)} {PLATFORM_KEEPS}")
    return CommandReply(f"Forgotten: {_what(removal)}. {receipt_line(receipt)} {PLATFORM_KEEPS}")


async def _ask_all(context: CommandContext) -> CommandReply:
    scope = await scope_of(context)
    number = len(await visible(context, scope))
    what = f"{memories(number)}, and our talks there" if scope.author is None else memories(number)
    text = f"Forget all that I remember in {scope.name}: {what}? There is no way back.{_own_only(scope)}"
    return await ask(context, text, "Forget all", FORGET_ALL, _payload(scope))


def _own_only(scope: Scope) -> str:
    return " Only what you said yourself goes." if scope.author is not None else ""


def _payload(scope: Scope) -> Metadata:
    return {"namespace": str(scope.namespace), "author": scope.author}


async def forget_all_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    namespace = MemoryNamespace.parse(str(payload["namespace"]))
    author = UserId(str(payload["author"])) if payload.get("author") else None
    scope = Scope(namespace, "", author)
    if author is not None:
        own = await visible(context, scope, include_superseded=True)
        removal = await Forgetting.of(context).memories([(namespace, memory.id) for memory in own])
        removal.count(await Forgetting.of(context).words_in_room(namespace.user_id, author))
        receipt = await receipt_of(context, "room_author", removal)
        return CommandReply(f"Forgotten: {_what(removal)}. {receipt_line(receipt)} {PLATFORM_KEEPS}")
    removal = await Forgetting.of(context).profile(namespace, context.turn.stamp.session_id)
    receipt = await receipt_of(context, "namespace", removal)
    return CommandReply(f"Forgotten: {_what(removal)}. {receipt_line(receipt)} {PLATFORM_KEEPS}")


async def _offer(context: CommandContext, query: str) -> CommandReply:
    """Show what fits and ask which, or all of them."""
    scope = await scope_of(context)
    found = (await matches(context, scope, query))[:MAX_OFFERED]
    if not found:
        return CommandReply(f"I find nothing about that in {scope.name}. `/memories` lists everything.")
    entries = [scope.entry(memory) for memory in found]
    await remember_listing(context, entries)
    lines, buttons = numbered(context, found)
    head = "Forget this?" if len(found) == 1 else f"Which of these? `/forget NUMBER` takes one, `yes` all {len(found)}."
    label = "Forget it" if len(found) == 1 else f"Forget all {len(found)}"
    payload = {"entries": [entry.dump() for entry in entries]}
    question = await ask(context, f"{head}\n\n{lines}", label, FORGET_THESE, payload)
    return replace(question, buttons=(buttons if len(found) > 1 else ()) + question.buttons)


async def forget_these_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    entries = [entry for entry in load_entries(payload["entries"]) if await may_forget(context, entry)]
    return await _forget_entries(context, entries, "query")


COMMANDS = (
    Command(
        "forget",
        "Forget one memory, the last ones, those about something, or all",
        (Argument("what", "a number of `/memories`, `last`, `all`, or words", rest=True, form="N|last|all|WORDS"),),
        private=True,
        handler=forget,
        destructive=True,
        spoken=("last", "all", r"\d{1,4}"),
    ),
)

ACTIONS = {FORGET_ALL: forget_all_confirmed, FORGET_THESE: forget_these_confirmed}
