"""`/forget`: one memory, those of the last message, those about something, or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.commands.confirm import ask, split_place
from core.commands.format import memories
from core.commands.listing import Entry, by_prefix, listed, load_entries, numbered, remember_listing
from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply
from core.commands.receipts import receipt_line, save_receipt
from core.commands.scope import Scope, matches, may_forget, scope_of, visible
from core.errors import NotFound
from core.types import (
    ChatMessage,
    ConversationId,
    MemoryId,
    MemoryNamespace,
    Metadata,
    Role,
    TurnState,
    UserId,
)

MAX_OFFERED = 10
EVERYTHING = 1_000_000
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
    """Delete, keep the learning job from bringing them back, look again, write the receipt."""
    gone = 0
    for entry in entries:
        gone += await _delete(context, entry.namespace, entry.memory_id)
    left = [entry for entry in entries if await _exists(context, entry)]
    receipt = await save_receipt(context, scope, {"memories": gone}, verified=not left)
    if not gone:
        return CommandReply("That is forgotten already.")
    return CommandReply(
        f"Forgotten: {memories(gone)}. {receipt_line(receipt)} The message it came from stays in our talk's history, "
        "which `/new` takes out of my sight, and on the chat platform."
    )


async def _delete(context: CommandContext, namespace: MemoryNamespace, memory_id: MemoryId) -> int:
    try:
        memory = await context.memory.get_memory(namespace, memory_id)
        await context.memory.delete_memory(namespace, memory_id)
    except NotFound:
        return 0
    # Without this the learning job would take the same words from the talk again.
    await context.store.mark_learned(namespace, memory.source_turns)
    return 1


async def _exists(context: CommandContext, entry: Entry) -> bool:
    try:
        await context.memory.get_memory(entry.namespace, entry.memory_id)
    except NotFound:
        return False
    return True


async def _forget_last(context: CommandContext) -> CommandReply:
    row = await context.store.last_turn(context.conversation.id, context.user.id, states=ENDED)
    if row is None:
        raise NotFound(user_message="There is no message of yours here that I could have learned from.")
    if row.stamp.learn is not None:
        await context.store.mark_learned(row.stamp.learn, [row.id])
    records = await context.store.find_memories_by_turn(context.user.id, row.id)
    if not records:
        return CommandReply("I had learned nothing from your last message, and shall not.")
    return await _forget_entries(context, [Entry(record.namespace, record.id) for record in records], "last")


async def _ask_all(context: CommandContext) -> CommandReply:
    scope = await scope_of(context)
    number = len(await visible(context, scope))
    text = f"Forget all that I remember in {scope.name}: {memories(number)}? There is no way back.{_own_only(scope)}"
    return await ask(context, text, "Forget all", FORGET_ALL, _payload(scope))


def _own_only(scope: Scope) -> str:
    return " Only what you said yourself goes." if scope.author is not None else ""


def _payload(scope: Scope) -> Metadata:
    return {"namespace": str(scope.namespace), "author": scope.author}


async def forget_all_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    namespace = MemoryNamespace.parse(str(payload["namespace"]))
    author = UserId(str(payload["author"])) if payload.get("author") else None
    scope = Scope(namespace, "", author)
    await _mark_all_learned(context, scope)
    if author is not None:
        own = await visible(context, scope, include_superseded=True)
        return await _forget_entries(context, [Entry(namespace, memory.id) for memory in own], "room_author")
    gone = await context.memory.delete_all_memories(namespace)
    left = await context.memory.get_memories(namespace, limit=1, include_superseded=True)
    receipt = await save_receipt(context, "namespace", {"memories": gone}, verified=not left)
    return CommandReply(f"Forgotten: {memories(gone)}. {receipt_line(receipt)} `/new` also ends the talk in sight.")


async def _mark_all_learned(context: CommandContext, scope: Scope) -> None:
    """What waits for the learning job must not come back by it."""
    waiting = await context.store.get_unlearned_messages(scope.namespace, EVERYTHING)
    mine = [message for message in waiting if message.role is Role.USER and _is_by(scope, message)]
    turns = list(dict.fromkeys(message.turn_id for message in mine if message.turn_id is not None))
    if turns:
        await context.store.mark_learned(scope.namespace, turns)


def _is_by(scope: Scope, message: ChatMessage) -> bool:
    return scope.author is None or message.author_id == scope.author


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
