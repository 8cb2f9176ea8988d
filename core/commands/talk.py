"""`/new`, `/stop`, `/retry` and `/ask`: the commands about the talk itself."""

from __future__ import annotations

from core.commands.model import (
    AcceptState,
    Argument,
    Arguments,
    Command,
    CommandContext,
    CommandReply,
    Transition,
)
from core.errors import Conflict, NotFound
from core.messages import InboxRow, Turn
from core.types import ConversationKind, TurnState

_ENDED = (TurnState.ANSWERED, TurnState.FAILED, TurnState.CANCELLED)


def new(state: AcceptState, arguments: Arguments) -> Transition:
    whose = "this room's talk" if state.conversation.kind is ConversationKind.SHARED else "our talk"
    text = f"A fresh start: {whose} so far is out of my sight now. What I remember stays; `/memories` shows it."
    return Transition(CommandReply(text), new_session=True)


def stop(state: AcceptState, arguments: Arguments) -> Transition:
    text = "I stop." if state.running else "I am not answering anything here just now."
    # Also when nothing seems to run: it may have begun since the state was read.
    return Transition(CommandReply(text), cancel_running=True)


async def retry(context: CommandContext, arguments: Arguments) -> CommandReply:
    """Answer my last message again. Raises NotFound when there is none, Conflict when its mode was another."""
    user_id = context.user.id
    row = await context.store.last_turn(context.conversation.id, user_id, states=_ENDED)
    if row is None or _is_of_another_talk(row, context.turn):
        raise NotFound(user_message="There is no message of yours in this talk that I could answer again.")
    if row.stamp.mode is not context.turn.stamp.mode:
        raise Conflict(user_message="That message was sent under another privacy mode. Please send it again.")
    if row.content is None and await context.ephemeral.get(f"turn:{row.id}") is None:
        raise NotFound(user_message="I keep no incognito message, so please send it again.")
    await context.store.reopen_turn(user_id, row.id)
    return CommandReply("I try again.", rerun=row.id)


def _is_of_another_talk(row: InboxRow, turn: Turn) -> bool:
    """A slash command in a room is answered privately, beside the room's talk that the message may belong to."""
    same_readers = row.stamp.audience is turn.stamp.audience
    return same_readers and row.stamp.session_id != turn.stamp.session_id


COMMANDS = (
    Command(
        "new",
        "Start afresh: forget the talk so far, not the memories",
        while_running=True,
        transition=new,
        spoken=("",),
    ),
    Command("stop", "Stop the answer that is being written", while_running=True, transition=stop, spoken=("",)),
    Command("retry", "Answer my last message again", handler=retry, spoken=("",)),
    Command(
        "ask",
        "Ask so that only you see the answer, with your own memories",
        (Argument("text", "your question", required=True, rest=True),),
    ),
)
