"""`/link`, `/unlink`, `/export`, `/erase`: the person and all that is held about them."""

from __future__ import annotations

from core.commands.confirm import ask
from core.commands.format import count, memories, plain
from core.commands.model import Argument, Arguments, Command, CommandContext, CommandReply
from core.commands.receipts import receipt_line
from core.errors import Conflict, Forbidden
from core.export import export_person, to_json, to_markdown
from core.linking import Linking
from core.messages import OutboundFile
from core.own_data import erase_person
from core.types import ConversationId, ConversationKind, Metadata, UserId

LINK = "link"
UNLINK = "unlink"
ERASE = "erase"
ERASE_WORDS = "DELETE EVERYTHING"


async def link(context: CommandContext, arguments: Arguments) -> CommandReply:
    """Without a code: make one. With one: show whose it is and ask."""
    linking = _linking(context)
    code = arguments.get("code")
    if code is None:
        made = await linking.create_code(context.user.id, context.conversation.id)
        return CommandReply(
            f"Your code is `{made.code}`. On the other platform write me `/link {made.code}` in a direct chat within "
            "ten minutes; it works once. Give it to nobody: whoever types it gets your memories."
        )
    other = await linking.redeem(context.user.id, context.turn.stamp.identity_id, code)
    names = [f"**{plain(item.display_name or 'no name')}** on {item.platform.capitalize()}" for item in other.accounts]
    text = (
        f"That code belongs to {', '.join(names) or 'an account on the web page'}. Join this account to it? Profiles, "
        "memories and talks of both become one person's, in both places. Nothing has been joined yet."
    )
    return await ask(context, text, "Join", LINK, {"target": other.user_id, "place": other.conversation_id})


async def link_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    target, place = UserId(str(payload["target"])), ConversationId(str(payload["place"]))
    outcome = await _linking(context).join(context.user.id, target, place)
    lines = [
        f"Done: you are one person in both places now. {memories(outcome.memories).capitalize()} and "
        f"{count(outcome.profiles, 'profile')} came along; the default profiles are one."
    ]
    lines += [f"- **{plain(old)}** is called **{plain(new)}** here." for old, new in outcome.renamed]
    return CommandReply("\n".join(lines))


async def unlink(context: CommandContext, arguments: Arguments) -> CommandReply:
    _linking(context)
    accounts = await context.store.get_identities(context.user.id)
    if len(accounts) < 2 and context.user.email is None:
        raise Conflict(user_message="This account is joined to no other.")
    text = (
        "Part this account from your others? It becomes a new person here, whom I know nothing about. All memories and "
        "talks stay with the other accounts; `/export` first if you want a copy."
    )
    return await ask(context, text, "Part them", UNLINK)


async def unlink_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    await _linking(context).unlink(context.user.id, context.turn.stamp.identity_id)
    return CommandReply("Done. From your next message on we meet here for the first time.")


def _linking(context: CommandContext) -> Linking:
    if context.conversation.kind is ConversationKind.SHARED:
        raise Forbidden(user_message="Joining accounts works in a direct chat with me only.")
    return context.linking


async def export(context: CommandContext, arguments: Arguments) -> CommandReply:
    """Two files: JSON as docs/export.md describes it, and the same to read."""
    data = await export_person(context.store, context.memory, context.sealer, context.user, context.clock.now())
    name = f"memorychat-export-{context.clock.now():%Y-%m-%d}"
    return CommandReply(
        "Everything I hold about you, in two files: one for reading, one for a program (`memorychat import` takes it). "
        "They are not sealed: keep them safe.",
        files=(
            OutboundFile(f"{name}.json", "application/json", to_json(data)),
            OutboundFile(f"{name}.md", "text/markdown", to_markdown(data)),
        ),
    )


async def erase(context: CommandContext, arguments: Arguments) -> CommandReply:
    if arguments.get("words", "") == ERASE_WORDS:
        return await erase_confirmed(context, {})
    text = (
        "Erase **everything** I hold about you: profiles, memories, talks, settings, in every place where we talk? The "
        "keys go too, so that no backup can bring it back. What stands on the chat platforms stays there. "
        f"`/export` first if you want a copy. `/erase {ERASE_WORDS}` does it as well."
    )
    return await ask(context, text, "Erase everything", ERASE)


async def erase_confirmed(context: CommandContext, payload: Metadata) -> CommandReply:
    receipt = await erase_person(context, context.user.id)
    rows = sum(receipt.removed.values())
    text = f"Everything is erased: {count(rows, 'row')}, and the keys. {receipt_line(receipt)}"
    return CommandReply(text, erased=True)


COMMANDS = (
    Command(
        "link",
        "Be one person on two platforms",
        (Argument("code", "the code from the other platform; makes one when left out", rest=True),),
        private=True,
        handler=link,
    ),
    Command("unlink", "Part this account from your others", private=True, handler=unlink, destructive=True),
    Command("export", "Get everything I hold about you, as files", private=True, handler=export, spoken=("",)),
    Command(
        "erase",
        "Erase everything I hold about you",
        (Argument("words", f"`{ERASE_WORDS}` does it without a question", rest=True, form=ERASE_WORDS),),
        private=True,
        handler=erase,
        destructive=True,
    ),
)

ACTIONS = {LINK: link_confirmed, UNLINK: unlink_confirmed, ERASE: erase_confirmed}
