"""From the core to Telegram: replies, streams, private answers and what can go wrong on the way."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.platforms.telegram import Pace, TelegramAdapter
from adapters.platforms.telegram.private import GONE
from adapters.platforms.telegram.render import MAYBE_DUPLICATE
from core.errors import DeliveryRateLimited, DeliveryRefused, DeliveryUnknown, StoreUnavailable
from core.messages import Button, InboundMessage, OutboundFile, ReplyAddress
from core.types import Audience, ConversationKind, Place, PlatformName, TurnId
from tests.e2e.telegram.conftest import Connect, Desk, address_of, answer, config_for
from tests.e2e.telegram.server import ANNA, BEN, FORUM, ROOM, Fault, TelegramServer, units
from tests.support.polling import eventually

TURN = TurnId("11111111-1111-4111-8111-111111111111")
NONCE = "22222222-2222-4222-8222-222222222222"


def private_chat(person: int = ANNA) -> ReplyAddress:
    place = Place(PlatformName("telegram"), "", str(person))
    return ReplyAddress(place=place, kind=ConversationKind.PRIVATE, recipient=str(person))


def in_room(asker: int = BEN, reply_to: str = "", chat: int = ROOM) -> ReplyAddress:
    place = Place(PlatformName("telegram"), "", str(chat))
    return ReplyAddress(place=place, kind=ConversationKind.SHARED, recipient=str(asker), reply_to=reply_to)


async def heard(desk: Desk, count: int = 1) -> InboundMessage:
    await eventually(lambda: len(desk.messages) >= count)
    return desk.messages[-1]


async def test_a_reply_is_formatted_without_a_parse_mode(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    ids = await adapter.send(private_chat(), answer("Hello **Anna** & 👩‍🚀 `x < y`"), nonce=NONCE)
    (message,) = telegram.visible(ANNA)
    assert ids == (str(message["message_id"]),)
    assert message["text"] == "Hello Anna & 👩‍🚀 x < y"
    assert {entity["type"] for entity in message["entities"]} == {"bold", "code"}


async def test_a_long_reply_arrives_whole_in_order(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    words = [f"word{number}" for number in range(3_000)]
    ids = await adapter.send(private_chat(), answer(" ".join(words)), nonce=NONCE)
    texts = telegram.visible_messages(ANNA)
    assert len(ids) == len(texts) > 4
    assert all(units(text) <= 4096 for text in texts)
    assert " ".join(texts).split() == words


async def test_badge_and_duplicate_label_are_a_small_last_line(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    await adapter.send(private_chat(), answer("Hello", badge="🕶 incognito", maybe_duplicate=True), nonce=NONCE)
    (message,) = telegram.visible(ANNA)
    assert message["text"] == f"Hello\n\n{MAYBE_DUPLICATE} 🕶 incognito"
    assert message["entities"][-1]["type"] == "italic"


async def test_in_a_group_the_reply_quotes_the_question_in_its_topic(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    adapter = await connect()
    asked = telegram.say(BEN, "@memory_bot who plays?", chat=FORUM, topic=77)
    message = await heard(desk)
    await adapter.send(address_of(message), answer("You do."), nonce=NONCE)
    (reply,) = telegram.visible(FORUM)
    assert reply["message_thread_id"] == 77
    assert reply["reply_to_message"]["message_id"] == asked["message_id"]


async def test_a_pressed_button_is_answered_at_once_and_comes_as_a_command(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    adapter = await connect()
    buttons = (Button("Yes, erase", "/confirm a1B2c3D4", danger=True), Button("Cancel", "/cancel a1B2c3D4"))
    await adapter.send(private_chat(), answer("Sure?", buttons=buttons), nonce=NONCE)
    assert telegram.buttons(ANNA) == ["⚠ Yes, erase", "Cancel"]
    query = telegram.press(ANNA, "Cancel")
    assert (await heard(desk)).text == "/cancel a1B2c3D4"
    await eventually(lambda: telegram.answered == [query])


async def test_an_expired_press_still_counts(telegram: TelegramServer, desk: Desk, connect: Connect) -> None:
    adapter = await connect()
    await adapter.send(private_chat(), answer("Sure?", buttons=(Button("Yes", "/confirm x"),)), nonce=NONCE)
    telegram.fail("answerCallbackQuery", Fault(400, "Bad Request: query is too old"))
    telegram.press(ANNA, "Yes")
    assert (await heard(desk)).text == "/confirm x"


async def test_a_button_that_telegram_cannot_carry_is_left_out(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    buttons = (Button("Short", "/a"), Button("Long", "/" + "ä" * 40))
    await adapter.send(private_chat(), answer("Pick", buttons=buttons), nonce=NONCE)
    assert telegram.buttons(ANNA) == ["Short"]


async def test_files_come_after_the_words(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    export = OutboundFile("export.json", "application/json", b'{"memories": []}')
    ids = await adapter.send(private_chat(), answer("Here you are.", files=(export,)), nonce=NONCE)
    words, file = telegram.visible(ANNA)
    assert words["text"] == "Here you are."
    assert file["document"]["file_name"] == "export.json"
    assert telegram.files[file["document"]["file_id"]] == export.data
    # The same delivery again, as after a crash: nothing is there twice.
    again = await adapter.send(private_chat(), answer("Here you are!", files=(export,)), nonce=NONCE, known_ids=ids)
    assert again == ids
    assert telegram.visible_messages(ANNA) == ["Here you are!", ""]


async def test_an_interrupted_reply_is_edited_into_shape(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    first = await adapter.send(private_chat(), answer("a\n\n" * 2_500), nonce=NONCE)
    assert len(first) > 1
    again = await adapter.send(private_chat(), answer("The end."), nonce=NONCE, known_ids=first)
    assert again == first[:1]
    assert telegram.visible_messages(ANNA) == ["The end."]
    assert await adapter.send(private_chat(), answer("The end."), nonce=NONCE, known_ids=again) == again
    telegram.missing.add("deleteMessage")
    assert await adapter.send(private_chat(), answer("So."), nonce=NONCE, known_ids=(*again, "999")) == again


async def test_what_was_deleted_meanwhile_is_sent_anew(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    (known,) = await adapter.send(private_chat(), answer("Hello"), nonce=NONCE)
    del telegram.messages[ANNA][int(known)]
    (new,) = await adapter.send(private_chat(), answer("Hello again"), nonce=NONCE, known_ids=(known,))
    assert new != known
    assert telegram.visible_messages(ANNA) == ["Hello again"]


async def test_formatting_that_telegram_refuses_goes_out_plain(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    telegram.fail("sendMessage", Fault(400, "Bad Request: ENTITY_BOUNDS_INVALID"))
    await adapter.send(private_chat(), answer("Hello **Anna**"), nonce=NONCE)
    (message,) = telegram.visible(ANNA)
    assert message["text"] == "Hello Anna"
    assert "entities" not in message


async def test_an_edit_of_a_message_and_one_that_changes_nothing(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    (known,) = await adapter.send(private_chat(), answer("Hello"), nonce=NONCE)
    await adapter.edit(private_chat(), known, answer("Hello Anna"))
    await adapter.edit(private_chat(), known, answer("Hello Anna"))
    assert telegram.visible_messages(ANNA) == ["Hello Anna"]


async def test_typing_is_shown_and_never_fatal(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    await adapter.typing(private_chat())
    await eventually(lambda: len(telegram.called("sendChatAction")) == 1)
    telegram.missing.add("sendChatAction")
    await adapter.typing(private_chat())
    await eventually(lambda: len(telegram.called("sendChatAction")) == 2)


# --- answers for one reader -------------------------------------------------------------------------------------------


async def test_a_private_answer_never_goes_into_the_group(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    secret = answer("1. Ben is allergic to nuts", Audience.ASKER)
    ids = await adapter.send(in_room(BEN), secret, nonce=NONCE)
    assert telegram.visible_messages(ROOM) == []
    assert telegram.visible_messages(BEN) == ["1. Ben is allergic to nuts"]
    assert await adapter.send(in_room(BEN), secret, nonce=NONCE, known_ids=ids) == ids
    assert len(telegram.visible(BEN)) == 1


async def test_who_never_wrote_to_the_bot_is_invited_and_then_gets_the_answer(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    dora = 777
    telegram.add_person(dora, "Dora", started=False)
    adapter = await connect()
    asked = telegram.say(dora, "/memories@memory_bot", chat=ROOM)
    secret = answer("1. Dora likes chess", Audience.ASKER)
    (link,) = await adapter.send(address_of(await heard(desk)), secret, nonce=NONCE)
    assert link.startswith("link:")
    (invitation,) = telegram.visible(ROOM)
    assert "chess" not in invitation["text"]
    assert invitation["reply_to_message"]["message_id"] == asked["message_id"]

    # Somebody else who follows the link gets nothing of it.
    telegram.follow_link(BEN, chat=ROOM)
    assert (await heard(desk, 2)).text == "/start"
    assert telegram.visible_messages(BEN) == []

    telegram.follow_link(dora, chat=ROOM)
    await eventually(lambda: telegram.visible_messages(dora) == ["1. Dora likes chess"])
    # The link is used up: now it is an ordinary start.
    telegram.follow_link(dora, chat=ROOM)
    assert (await heard(desk, 3)).text == "/start"
    assert telegram.visible_messages(dora) == ["1. Dora likes chess"]


async def test_an_answer_that_was_held_by_an_earlier_process_is_said_to_be_gone(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    dora = 777
    telegram.add_person(dora, "Dora", started=False)
    first = await connect()
    await first.send(in_room(dora), answer("for Dora", Audience.ASKER), nonce=NONCE)
    await first.stop()
    await connect()
    telegram.follow_link(dora, chat=ROOM)
    await eventually(lambda: telegram.visible_messages(dora) == [GONE])
    assert (await heard(desk)).text == "/start"
    telegram.say(dora, "/start from-a-web-page")
    await heard(desk, 2)
    telegram.say(dora, "hello")
    await heard(desk, 3)
    assert telegram.visible_messages(dora) == [GONE]


async def test_a_held_answer_that_cannot_be_handed_over_stays_held(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    dora = 777
    telegram.add_person(dora, "Dora", started=False)
    adapter = await connect()
    await adapter.send(in_room(dora), answer("for Dora", Audience.ASKER), nonce=NONCE)
    telegram.fail("sendMessage", Fault(502, "Bad Gateway", chat=dora))
    telegram.follow_link(dora, chat=ROOM)
    assert (await heard(desk)).text == "/start"
    telegram.follow_link(dora, chat=ROOM)
    await eventually(lambda: telegram.visible_messages(dora) == ["for Dora"])


# --- trouble ----------------------------------------------------------------------------------------------------------


async def test_a_blocked_and_a_kicked_bot_are_refused_for_good(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    telegram.block(ANNA)
    telegram.block(ROOM)
    for address in (private_chat(ANNA), in_room(), private_chat(424242)):
        with pytest.raises(DeliveryRefused):
            await adapter.send(address, answer("Hello"), nonce=NONCE)
    await adapter.send(private_chat(BEN), answer("Hello Ben"), nonce=NONCE)
    assert telegram.visible_messages(BEN) == ["Hello Ben"]


async def test_a_penalty_of_hours_in_one_chat_does_not_stop_another(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    telegram.flood("sendMessage", 7_200, chat=ANNA)
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(private_chat(ANNA), answer("Hello"), nonce=NONCE)
    assert limited.value.retry_after == 7_200
    asked = len(telegram.called("sendMessage"))
    with pytest.raises(DeliveryRateLimited) as still:
        await adapter.send(private_chat(ANNA), answer("Hello"), nonce=NONCE)
    assert 7_000 < still.value.retry_after <= 7_200
    assert len(telegram.called("sendMessage")) == asked  # not even asked
    await adapter.typing(private_chat(ANNA))
    await adapter.send(private_chat(BEN), answer("Hello Ben"), nonce=NONCE)
    assert telegram.visible_messages(BEN) == ["Hello Ben"]
    assert telegram.called("sendChatAction") == []


async def test_a_limit_in_the_middle_tells_what_has_arrived(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    long = answer("\n\n".join(f"paragraph {number} " + "x" * 900 for number in range(12)))
    await adapter.send(private_chat(BEN), long, nonce=NONCE)
    parts = telegram.visible_messages(BEN)
    assert len(parts) > 2

    telegram.flood("sendMessage", 1, chat=ANNA, after=2)
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(private_chat(ANNA), long, nonce=NONCE)
    known = limited.value.sent_ids
    assert len(known) == len(telegram.visible(ANNA)) == 2
    await adapter.send(private_chat(ANNA), long, nonce=NONCE, known_ids=known)  # waits for its place itself
    assert telegram.visible_messages(ANNA) == parts


async def test_an_error_before_the_known_messages_forgets_none_of_them(
    telegram: TelegramServer, connect: Connect
) -> None:
    adapter = await connect()
    long = answer("a\n\n" * 2_500)
    known = await adapter.send(private_chat(), long, nonce=NONCE)
    telegram.fail("editMessageText", Fault(502, "Bad Gateway"))
    with pytest.raises(DeliveryUnknown) as unknown:
        await adapter.send(private_chat(), answer("b\n\n" * 2_500), nonce=NONCE, known_ids=known)
    assert unknown.value.sent_ids == known


async def test_what_may_have_arrived_is_not_called_refused(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect(request_timeout=0.2)
    telegram.fail("sendMessage", Fault(cut=True))
    with pytest.raises(DeliveryUnknown):
        await adapter.send(private_chat(), answer("cut"), nonce=NONCE)
    telegram.fail("sendMessage", Fault(502, "Bad Gateway"))
    with pytest.raises(DeliveryUnknown):
        await adapter.send(private_chat(), answer("bad gateway"), nonce=NONCE)
    telegram.fail("sendMessage", Fault(delay=1.0))
    with pytest.raises(DeliveryUnknown):
        await adapter.send(private_chat(), answer("too slow"), nonce=NONCE)
    assert telegram.visible_messages(ANNA) == ["cut"]


async def test_what_certainly_did_not_leave_may_be_sent_again_unlabelled(
    telegram: TelegramServer, connect: Connect
) -> None:
    adapter = TelegramAdapter(config_for(telegram))
    await telegram.shut()
    with pytest.raises(DeliveryRateLimited):
        await adapter.send(private_chat(), answer("Hello"), nonce=NONCE)
    await adapter.stop()


async def test_a_reply_follows_a_group_that_moved(telegram: TelegramServer, desk: Desk, connect: Connect) -> None:
    telegram.add_group(-500, "Old", kind="group")
    adapter = await connect()
    telegram.migrate(-500, -1005, announce=False)
    await adapter.send(in_room(chat=-500), answer("I found you"), nonce=NONCE)
    await adapter.send(in_room(chat=-500), answer("and again"), nonce=NONCE)
    assert telegram.visible_messages(-1005) == ["I found you", "and again"]
    name = PlatformName("telegram")
    assert desk.migrations == [(Place(name, "", "-500"), Place(name, "", "-1005"))]


async def test_a_reply_arrives_also_when_the_move_cannot_be_stored_yet(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.add_group(-500, "Old", kind="group")
    adapter = await connect()
    telegram.migrate(-500, -1005, announce=False)
    desk.trouble = [StoreUnavailable()]
    await adapter.send(in_room(chat=-500), answer("one"), nonce=NONCE)
    assert desk.migrations == []
    await adapter.send(in_room(chat=-500), answer("two"), nonce=NONCE)
    assert len(desk.migrations) == 1
    assert telegram.visible_messages(-1005) == ["one", "two"]


async def test_replies_of_one_chat_keep_inside_its_pace(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect(pace=Pace(chat=(2, 0.3), group=(3, 60.0), overall=(100, 1.0), patience=1.0))
    began = time.monotonic()
    for number in range(5):
        await adapter.send(private_chat(), answer(str(number)), nonce=NONCE)
    assert time.monotonic() - began >= 0.6  # 5 at 2 per 0.3 s
    assert telegram.visible_messages(ANNA) == ["0", "1", "2", "3", "4"]
    for number in range(3):
        await adapter.send(in_room(), answer(str(number)), nonce=NONCE)
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(in_room(), answer("too much for a group"), nonce=NONCE)
    assert 50 < limited.value.retry_after <= 60


async def test_a_stop_lets_what_is_being_sent_arrive(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect(pace=Pace(chat=(1, 0.3)))
    await adapter.send(private_chat(), answer("one"), nonce=NONCE)
    last = asyncio.create_task(adapter.send(private_chat(), answer("two"), nonce=NONCE))
    await asyncio.sleep(0)
    await adapter.stop()
    await last
    assert telegram.visible_messages(ANNA) == ["one", "two"]


async def test_a_process_that_only_sends_needs_no_start(telegram: TelegramServer) -> None:
    adapter = TelegramAdapter(config_for(telegram))
    await adapter.send(private_chat(), answer("Hello"), nonce=NONCE)
    telegram.add_person(777, "Dora", started=False)
    await adapter.send(in_room(777), answer("secret", Audience.ASKER), nonce=NONCE)
    await adapter.stop()
    assert telegram.visible_messages(ANNA) == ["Hello"]
    assert telegram.buttons(ROOM) == ["Open our chat"]


# --- streams ----------------------------------------------------------------------------------------------------------


async def test_in_private_a_draft_grows_and_one_message_stays(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    stream = await adapter.open_stream(private_chat(), turn_id=TURN, nonce=NONCE)
    await stream.update("Once upon")
    await stream.update("Once upon a **time**")
    assert stream.message_ids == ()
    assert telegram.visible(ANNA) == []
    ids = await stream.finish(answer("Once upon a **time**."))
    assert [draft["text"] for draft in telegram.drafts] == ["Once upon", "Once upon a time"]
    assert len({draft["draft_id"] for draft in telegram.drafts}) == 1
    assert telegram.drafts[0]["draft_id"] != 0
    assert telegram.visible_messages(ANNA) == ["Once upon a time."]
    assert len(ids) == 1


async def test_drafts_in_a_topic_of_a_private_chat_stay_in_it(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    adapter = await connect()
    telegram.say(ANNA, "hello", topic=5)
    stream = await adapter.open_stream(address_of(await heard(desk)), turn_id=TURN, nonce=NONCE)
    await stream.update("Hel")
    await stream.finish(answer("Hello"))
    assert telegram.drafts[0]["message_thread_id"] == 5
    assert telegram.visible(ANNA)[0]["message_thread_id"] == 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault(404, "Not Found"),
        Fault(400, "Bad Request: TEXTDRAFT_PEER_INVALID"),
        Fault(429, "Too Many Requests: retry after 1", {"retry_after": 1}),
        Fault(502, "Bad Gateway"),
    ],
)
async def test_without_drafts_the_reply_still_arrives(telegram: TelegramServer, connect: Connect, fault: Fault) -> None:
    adapter = await connect()
    telegram.fail("sendMessageDraft", fault)
    stream = await adapter.open_stream(private_chat(), turn_id=TURN, nonce=NONCE)
    await stream.update("Hel")
    await stream.finish(answer("Hello"))
    assert telegram.visible_messages(ANNA) == ["Hello"]


async def test_a_server_without_drafts_is_asked_once(telegram: TelegramServer, connect: Connect) -> None:
    telegram.missing.add("sendMessageDraft")
    adapter = await connect()
    for number in range(3):
        stream = await adapter.open_stream(private_chat(), turn_id=TURN, nonce=NONCE)
        await stream.update("Hel")
        await stream.update("Hello")
        await stream.finish(answer(f"Hello {number}"))
    assert len(telegram.called("sendMessageDraft")) == 1
    assert telegram.visible_messages(ANNA) == ["Hello 0", "Hello 1", "Hello 2"]


async def test_in_a_group_one_message_is_edited_and_not_too_often(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    stream = await adapter.open_stream(in_room(), turn_id=TURN, nonce=NONCE)
    await stream.update("")
    await stream.update("Once upon")
    known = stream.message_ids
    assert len(known) == 1
    with pytest.raises(DeliveryRateLimited) as later:
        await stream.update("Once upon a time")
    assert 2 < later.value.retry_after <= 3
    await stream.update("Once upon")  # nothing new to show
    ids = await stream.finish(answer("Once upon a time."))
    assert ids == known
    assert telegram.visible_messages(ROOM) == ["Once upon a time."]
    assert telegram.drafts == []


async def test_a_reply_too_long_for_one_message_streams_its_first_and_ends_whole(
    telegram: TelegramServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.platforms.telegram.stream.GROUP_EDIT_INTERVAL", 0.0)
    adapter = await connect()
    stream = await adapter.open_stream(in_room(), turn_id=TURN, nonce=NONCE)
    text = ""
    for number in range(10):
        text += f"paragraph {number} " + "x" * 900 + "\n\n"
        await stream.update(text)
    assert len(telegram.visible(ROOM)) == 1
    ids = await stream.finish(answer(text))
    whole = "".join(telegram.visible_messages(ROOM))
    assert len(ids) == len(telegram.visible(ROOM)) == 3
    assert all(f"paragraph {number} " in whole for number in range(10))


async def test_a_preview_cut_short_by_the_end_is_neither_lost_nor_late(
    telegram: TelegramServer, connect: Connect
) -> None:
    adapter = await connect()
    stream = await adapter.open_stream(in_room(), turn_id=TURN, nonce=NONCE)
    update = asyncio.create_task(stream.update("Once"))
    await eventually(lambda: "sendMessage" in [name for name, _ in telegram.calls])
    update.cancel()  # as the core does when the reply is complete
    await asyncio.gather(update, return_exceptions=True)
    await stream.finish(answer("Once upon a time."))
    assert telegram.visible_messages(ROOM) == ["Once upon a time."]


@pytest.mark.parametrize("address", [private_chat(), in_room()], ids=["private", "room"])
async def test_a_stream_whose_end_is_held_up_goes_on_where_it_was(
    telegram: TelegramServer, connect: Connect, address: ReplyAddress
) -> None:
    adapter = await connect()
    chat = int(address.place.chat_id)
    long = answer("\n\n".join(f"paragraph {number} " + "x" * 900 for number in range(12)))
    stream = await adapter.open_stream(address, turn_id=TURN, nonce=NONCE)
    await stream.update("paragraph 0")
    telegram.flood("sendMessage", 1, chat=chat, after=1)
    with pytest.raises(DeliveryRateLimited):
        await stream.finish(long)
    ids = await stream.finish(long)
    texts = telegram.visible_messages(chat)
    assert len(ids) == len(texts)
    assert [word for word in " ".join(texts).split() if word.isdigit()] == [str(number) for number in range(12)]


async def test_previews_leave_room_for_the_final_text(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect(pace=Pace(chat=(3, 60.0), overall=(100, 1.0), patience=0.5))
    stream = await adapter.open_stream(private_chat(), turn_id=TURN, nonce=NONCE)
    await stream.update("a")
    await stream.update("ab")
    with pytest.raises(DeliveryRateLimited):
        await stream.update("abc")
    await stream.finish(answer("abcd"))
    assert telegram.visible_messages(ANNA) == ["abcd"]
