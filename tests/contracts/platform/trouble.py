"""What can go wrong around Anna's chat, told to each emulator in its own words; and Ben, who must not notice."""

from __future__ import annotations

from tests.contracts.platform.chats import Chat, DiscordChat, SlackChat, TelegramChat
from tests.e2e.slack import model as slack_model
from tests.e2e.telegram.server import ANNA, BEN, ROOM

LARGE = 20_000_001
"""Bytes: one more than the bot takes."""


async def ben_says(chat: Chat, text: str) -> None:
    match chat:
        case TelegramChat():
            chat.server.say(BEN, text)
        case SlackChat():
            chat.server.say(slack_model.BEN, text)
        case DiscordChat():
            chat.sim.env.backend.create_message(chat.ben.dm_channel.id, chat.ben.id, text)
            chat.sim.env._mark_mutation()


def ben_sees(chat: Chat) -> list[str]:
    match chat:
        case TelegramChat():
            return chat.server.visible_messages(BEN)
        case SlackChat():
            return chat.server.visible_messages(slack_model.DM[slack_model.BEN], slack_model.BEN)
        case DiscordChat():
            return chat._of_bot(chat.ben.dm_channel.history(viewer=chat.ben))
    raise NotImplementedError


async def calls_in_the_room(chat: Chat, text: str = "") -> None:
    """Anna writes the bot's name in the room, and then the text."""
    match chat:
        case TelegramChat():
            chat.server.say(ANNA, f"@memory_bot {text}".strip(), chat=ROOM)
        case SlackChat():
            words = f"<@{slack_model.BOT}> {text}".strip()
            chat.server.say(slack_model.ANNA, words, channel=slack_model.TEAM_ROOM)
        case DiscordChat():
            chat.sim.env.backend.create_message(chat.room.id, chat.anna.id, f"{chat.sim.mention} {text}".strip())
            chat.sim.env._mark_mutation()


async def sends_a_large_picture(chat: Chat, words: str) -> None:
    """Only its announced size is large."""
    match chat:
        case TelegramChat():
            chat.server.send_file(ANNA, "photo", b"x", caption=words, file_size=LARGE)
        case SlackChat():
            file = {**chat.server.offer_file("big.png", "image/png", b"x"), "size": LARGE}
            chat.server.say(slack_model.ANNA, words, files=[file])
        case DiscordChat():
            backend, channel = chat.sim.env.backend, chat.anna.dm_channel.id
            [file] = backend.store_attachments(channel, [("big.png", b"x")])
            large = {**file, "size": LARGE, "content_type": "image/png"}
            backend.create_message(channel, chat.anna.id, words, attachments=[large])
            chat.sim.env._mark_mutation()


def closes_the_door(chat: Chat) -> None:
    """Anna blocks the bot, or it is removed from their chat."""
    match chat:
        case TelegramChat():
            chat.server.block(ANNA)
        case SlackChat():
            chat.server.members[slack_model.DM[slack_model.ANNA]] = {slack_model.ANNA}
        case DiscordChat():
            path = f"/channels/{chat.anna.dm_channel.id}/messages*"
            chat.sim.env.inject_error("*", path, status=403, code=50007, times=None)


def limits(chat: Chat) -> None:
    """The platform takes nothing more for Anna for 300 seconds. The simulated Discord does not say how long."""
    match chat:
        case TelegramChat():
            chat.server.flood("sendMessage", 300, chat=ANNA)
        case SlackChat():
            limit = slack_model.Fault(status=429, retry_after=300)
            chat.server.fail("chat.startStream", limit)
            chat.server.fail("chat.postMessage", limit)
        case DiscordChat():
            path = f"/channels/{chat.anna.dm_channel.id}/messages*"
            chat.sim.env.inject_error("*", path, status=429, times=None)


async def five_minutes_pass(chat: Chat) -> None:
    """The adapters' own clock is the machine's: what they remember of a penalty is taken from them."""
    match chat:
        case TelegramChat():
            chat.adapter._pacer._blocked.clear()
        case SlackChat():
            chat.adapter._outbound.budget._closed_until.clear()
        case DiscordChat():
            chat.sim.env.backend.faults.clear()
    chat.town.clock.advance(301)
    await chat.town.engine.responder.retry_unsent()


async def loses_an_acknowledgement(chat: Chat) -> None:
    """The next message arrives there, and the answer to the call that sent it does not."""
    match chat:
        case TelegramChat():
            from tests.e2e.telegram.server import Fault

            chat.server.fail("sendMessage", Fault(cut=True, chat=ANNA, after=1))
        case SlackChat():
            whole, cut = slack_model.Fault(delay=0.001), slack_model.Fault(cut=True)
            chat.server.fail("chat.postMessage", whole, cut)
            chat.server.missing.add("chat.startStream")


def lacks_the_extras(chat: Chat, status: int, body: str) -> None:
    """A server in the platform's place that knows how to receive and to send, and answers everything else so."""
    match chat:
        case TelegramChat():
            chat.server.answer_to_missing = (status, body)
            chat.server.missing |= {"sendMessageDraft", "sendChatAction", "setMyCommands", "deleteWebhook"}
            chat.server.missing |= {"getChatAdministrators", "answerCallbackQuery", "getWebhookInfo"}
        case SlackChat():
            chat.server.answer_to_missing = (status, body)
            chat.server.missing |= {"chat.startStream", "chat.appendStream", "chat.stopStream", "users.info"}
            chat.server.missing |= {"assistant.threads.setStatus", "conversations.info", "conversations.replies"}
        case DiscordChat():
            for path in ("/channels/*/typing", "/applications/*/commands*"):
                chat.sim.env.inject_error("*", path, status=status, times=None)
