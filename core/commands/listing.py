"""How memories are shown, and how a number or a button finds its memory again.

The `listing` is a pending row of this person in this conversation with the ids shown last. It is also what a button of
a room's listing is looked up in when it is pressed in a direct chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.commands.confirm import place_suffix
from core.commands.format import day, plain, quoted
from core.commands.model import CommandContext
from core.messages import Button
from core.types import (
    ConversationId,
    ConversationKind,
    JsonValue,
    Memory,
    MemoryId,
    MemoryNamespace,
)

LISTING = "listing"
LISTING_LIFE = timedelta(hours=1)
PREFIX = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory that was shown. `managed`: shown to a manager of the room it belongs to."""

    namespace: MemoryNamespace
    memory_id: MemoryId
    managed: bool = False

    def dump(self) -> str:
        return f"{self.namespace}/{self.memory_id}/{'managed' if self.managed else ''}"

    @classmethod
    def load(cls, value: JsonValue) -> Entry:
        namespace, memory_id, managed = str(value).split("/")
        return cls(MemoryNamespace.parse(namespace), MemoryId(memory_id), managed=bool(managed))


def load_entries(value: JsonValue) -> list[Entry]:
    return [Entry.load(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


async def remember_listing(context: CommandContext, entries: Sequence[Entry]) -> None:
    payload = {"entries": [entry.dump() for entry in entries]}
    expires_at = context.clock.now() + LISTING_LIFE
    await context.store.put_pending(context.user.id, context.conversation.id, LISTING, payload, expires_at)


async def listed(context: CommandContext, place: ConversationId) -> list[Entry]:
    """What this person was shown last in a place; empty when that is long ago."""
    payload = await context.store.peek_pending(context.user.id, place, LISTING, context.clock.now())
    return load_entries(payload["entries"]) if payload else []


def by_prefix(entries: Sequence[Entry], prefix: str) -> Entry | None:
    """The one memory whose id begins so; None when there is none or more than one."""
    found = [entry for entry in entries if len(prefix) >= PREFIX and entry.memory_id.startswith(prefix)]
    return found[0] if len(found) == 1 else None


def forget_button(context: CommandContext, memory: Memory, label: str) -> Button:
    return Button(label, f"/forget #{memory.id[:PREFIX]}{place_suffix(context)}")


def line(context: CommandContext, number: int, memory: Memory) -> str:
    """`- **3** “…” (3 May 2026, learned, Ann)`; who said it is told in rooms only."""
    notes = [day(memory.said_at, context.user.timezone), memory.state.value]
    if context.conversation.kind is ConversationKind.SHARED and memory.author_name:
        notes.append(plain(memory.author_name))
    return f"- **{number}** {quoted(memory.text)} ({', '.join(notes)})"


def earlier(context: CommandContext, memory: Memory, superseded: Sequence[Memory]) -> list[str]:
    """The history of a fact: what a memory replaced, and what that had replaced, newest first."""
    lines: list[str] = []
    waiting = {memory.id}
    for old in superseded:
        if old.superseded_by in waiting:
            waiting.add(old.id)
            lines.append(f"  - before: {quoted(old.text)} ({day(old.said_at, context.user.timezone)})")
    return lines


def numbered(
    context: CommandContext, shown: Sequence[Memory], first: int = 1, superseded: Sequence[Memory] = ()
) -> tuple[str, tuple[Button, ...]]:
    lines: list[str] = []
    buttons: list[Button] = []
    for number, memory in enumerate(shown, first):
        lines += [line(context, number, memory), *earlier(context, memory, superseded)]
        buttons.append(forget_button(context, memory, f"Forget {number}"))
    return "\n".join(lines), tuple(buttons)
