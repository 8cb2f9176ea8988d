"""Questions before something is destroyed, and their answers.

A question is a pending row of its asker in the conversation, under a random token; a second row named `latest`
points to
the newest, for those who type `yes`. Taking the row is the one moment that decides, so that a button works once. In
rooms
the buttons carry the conversation too, because where answers for one person go out as direct messages, the button is
pressed in another place; the row is still found for the person who was asked and nobody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta

from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply, ConfirmedAction
from core.errors import NotFound
from core.messages import Button
from core.types import ConversationId, ConversationKind, Metadata, is_canonical_uuid

LATEST = "latest"
QUESTION_LIFE = timedelta(minutes=10)
_STALE = "That button is no longer valid."


async def ask(
    context: CommandContext, text: str, label: str, action: str, payload: Metadata | None = None
) -> CommandReply:
    """Put a question; `action` runs with `payload` (ids and command words only) when it is answered with yes."""
    token = secrets.token_urlsafe(6)
    expires_at = context.clock.now() + QUESTION_LIFE
    user_id, conversation_id = context.user.id, context.conversation.id
    question = {**(payload or {}), "action": action}
    await context.store.put_pending(user_id, conversation_id, token, question, expires_at)
    await context.store.put_pending(user_id, conversation_id, LATEST, {"token": token}, expires_at)
    where = place_suffix(context)
    buttons = (Button(label, f"/confirm {token}{where}", danger=True), Button("Cancel", f"/cancel {token}{where}"))
    return CommandReply(f"{text}\n\nType `yes` or press the button within 10 minutes.", buttons)


def place_suffix(context: CommandContext) -> str:
    """What a button's command has after its id, so that it finds the room it is about from a direct chat too."""
    return f"@{context.conversation.id}" if context.conversation.kind is ConversationKind.SHARED else ""


def split_place(context: CommandContext, reference: str) -> tuple[str, ConversationId]:
    """The inverse: id and conversation. What is no conversation's id leaves the one we are in."""
    head, _, place = reference.rpartition("@")
    if head and is_canonical_uuid(place):
        return head, ConversationId(place)
    return reference, context.conversation.id


async def _take(context: CommandContext, reference: str | None) -> Metadata:
    """The question's payload, once. Raises NotFound for one that is answered, expired or somebody else's."""
    token, place = split_place(context, reference or LATEST)
    user_id, now = context.user.id, context.clock.now()
    pointer = await context.store.peek_pending(user_id, place, LATEST, now)
    newest = str(pointer["token"]) if pointer else ""
    token = newest if token == LATEST else token
    payload = await context.store.take_pending(user_id, place, token, now) if token else None
    if payload is None or "action" not in payload:
        raise NotFound(user_message=_STALE)
    if token == newest:
        await context.store.take_pending(user_id, place, LATEST, now)
    return payload


def commands(actions: Mapping[str, ConfirmedAction]) -> tuple[Command, ...]:
    async def confirm(context: CommandContext, arguments: Arguments) -> CommandReply:
        payload = await _take(context, arguments.get("token"))
        return await actions[str(payload["action"])](context, payload)

    async def cancel(context: CommandContext, arguments: Arguments) -> CommandReply:
        await _take(context, arguments.get("token"))
        return CommandReply("Nothing was changed.")

    token = Argument("token", "of the question; the newest when left out")
    return (
        Command("confirm", "Answer a question with yes", (token,), private=True, handler=confirm, hidden=True),
        Command("cancel", "Answer a question with no", (token,), private=True, handler=cancel, hidden=True),
    )
