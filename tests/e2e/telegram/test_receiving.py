"""From Telegram to the core, by polling and by webhook, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters.platforms.telegram import Engagement, TelegramAdapter
from adapters.platforms.telegram.doctor import problems
from core.errors import BadArgument, ConfigurationError, NotFound, StoreUnavailable
from core.messages import Acceptance, Attachment, InboundEvent, InboundMessage, RoomRole
from core.types import Audience, ConversationKind, Place, PlatformName
from tests.e2e.telegram.conftest import COMMANDS, Connect, Desk, config_for
from tests.e2e.telegram.server import ANNA, BEN, CARLA, FORUM, ROOM, Fault, TelegramServer
from tests.support.polling import eventually

SECRET = "a-secret_of-ours"


async def test_what_a_person_writes_is_accepted_and_then_confirmed(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.say(ANNA, "written before the bot came")
    await connect()
    telegram.say(ANNA, "My dog is called Rex")
    await eventually(lambda: len(desk.messages) == 2)
    first, second = desk.messages
    assert (first.text, second.text) == ("written before the bot came", "My dog is called Rex")
    assert second.kind is ConversationKind.PRIVATE
    assert second.audience is Audience.ASKER
    assert second.place == Place(PlatformName("telegram"), "", str(ANNA))
    await eventually(lambda: telegram.unconfirmed == 0)


async def test_in_a_group_only_what_is_meant_for_the_bot_is_taken(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    await connect()
    telegram.say(BEN, "Carla, your birthday is in May?", chat=ROOM)
    telegram.say(BEN, "@memory_bot: what is for dinner?", chat=ROOM)
    telegram.say(CARLA, "/memories@memory_bot", chat=ROOM)
    telegram.say(CARLA, "/memories@other_bot", chat=ROOM)
    telegram.say(CARLA, "@memory_bot who plays?", chat=FORUM, topic=77)
    await eventually(lambda: telegram.unconfirmed == 0)
    assert sorted(desk.texts) == ["/memories", "what is for dinner?", "who plays?"]
    in_topic = next(message for message in desk.messages if message.text == "who plays?")
    assert in_topic.place.thread_id == "77"
    assert in_topic.place.parent == Place(PlatformName("telegram"), "", str(FORUM))


@pytest.mark.parametrize(("engagement", "heard"), [(Engagement.ALL, ["anybody here?"]), (Engagement.OFF, [])])
async def test_the_operator_says_how_much_of_a_group_is_meant_for_the_bot(
    telegram: TelegramServer, desk: Desk, connect: Connect, engagement: Engagement, heard: list[str]
) -> None:
    await connect(engagement=engagement)
    telegram.say(BEN, "anybody here?", chat=ROOM)
    telegram.say(BEN, "/roll@dice_bot", chat=ROOM)
    telegram.say(BEN, "hello", chat=BEN)
    await eventually(lambda: telegram.unconfirmed == 0)
    assert [message.text for message in desk.messages if message.place.chat_id == str(ROOM)] == heard
    assert "hello" in desk.texts


async def test_a_groups_managers_are_known_and_asked_for_once(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.managers[ROOM] = {CARLA}
    await connect()
    for person in (BEN, CARLA, BEN):
        telegram.say(person, "/help", chat=ROOM)
    await eventually(lambda: len(desk.messages) == 3)
    roles = [message.sender.role for message in desk.messages]
    assert roles == [RoomRole.MEMBER, RoomRole.MANAGER, RoomRole.MEMBER]
    assert len(telegram.called("getChatAdministrators")) == 1


async def test_nobody_is_a_manager_when_telegram_does_not_tell(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.missing.add("getChatAdministrators")
    await connect()
    telegram.say(CARLA, "/help", chat=ROOM)
    await eventually(lambda: len(desk.messages) == 1)
    assert desk.messages[0].sender.role is RoomRole.MEMBER


async def test_what_cannot_be_stored_comes_again_in_order(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    await connect()
    desk.trouble = [StoreUnavailable(), StoreUnavailable()]
    for number in range(5):
        telegram.say(ANNA, f"{number}")
    await eventually(lambda: telegram.unconfirmed == 0)
    assert desk.texts == ["0", "1", "2", "3", "4"]


async def test_a_store_that_fails_for_one_chat_does_not_stop_another(
    telegram: TelegramServer, connect: Connect, desk: Desk
) -> None:
    heard: list[str] = []

    async def accept(event: InboundEvent) -> Acceptance:
        assert isinstance(event, InboundMessage)
        if event.sender.external_id == str(ANNA):
            raise StoreUnavailable
        heard.append(event.text)
        return Acceptance.ACCEPTED

    adapter = TelegramAdapter(config_for(telegram))
    telegram.say(ANNA, "stuck")
    telegram.say(BEN, "heard")
    await adapter.start(accept)
    await eventually(lambda: heard[:1] == ["heard"])
    await adapter.stop()
    assert telegram.unconfirmed == 2


async def test_one_bad_update_does_not_silence_everybody(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    await connect()
    desk.trouble = [RuntimeError("a fault of ours")] * 5
    telegram.say(ANNA, "poison")
    await eventually(lambda: not desk.trouble)
    telegram.say(ANNA, "after")
    await eventually(lambda: telegram.unconfirmed == 0)
    assert desk.texts[-1] == "after"


@pytest.mark.parametrize(
    "payload",
    [
        {"message": "not an object"},
        {"message": {"message_id": 1, "chat": {"id": ANNA, "type": "private"}, "from": {"id": ANNA}, "text": 5}},
        {"message": {"message_id": 1, "chat": [], "from": None, "date": "noon", "entities": {"0": 1}, "text": "x"}},
        {"callback_query": {"id": "1", "from": {"id": ANNA}, "message": None, "data": "/x"}},
        {"from_the_future": {"x": 1}},
    ],
)
async def test_payloads_of_any_shape_are_passed_over(
    telegram: TelegramServer, desk: Desk, connect: Connect, payload: dict[str, object]
) -> None:
    await connect()
    telegram.push(payload)
    telegram.say(ANNA, "still there?")
    await eventually(lambda: desk.texts == ["still there?"] and telegram.unconfirmed == 0)


async def test_an_edit_names_the_message_it_changes(telegram: TelegramServer, desk: Desk, connect: Connect) -> None:
    await connect()
    message = telegram.say(ANNA, "My dog is called Rex")
    telegram.change(message, "My dog is called Max")
    await eventually(lambda: len(desk.events) == 2)
    assert desk.edits[0].text == "My dog is called Max"
    assert desk.edits[0].event_key == desk.messages[0].event_key


async def test_a_photo_can_be_fetched_and_a_large_or_lost_file_is_refused(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    adapter = await connect()
    telegram.send_file(ANNA, "photo", b"\xff\xd8 a picture", caption="my garden")
    telegram.send_file(ANNA, "document", b"x" * 21_000_000, file_name="film.bin", mime_type="application/x")
    telegram.send_file(ANNA, "voice", b"OggS", mime_type="audio/ogg")
    await eventually(lambda: len(desk.messages) == 3)
    photo, film, voice = (message.attachments[0] for message in desk.messages)
    assert (photo.kind, film.kind, voice.kind) == ("image", "file", "audio")
    assert await adapter.fetch(photo, max_bytes=1_000) == b"\xff\xd8 a picture"
    with pytest.raises(BadArgument):
        await adapter.fetch(photo, max_bytes=3)
    with pytest.raises(BadArgument, match="bytes"):
        await adapter.fetch(film, max_bytes=100_000_000)
    telegram.files.clear()
    with pytest.raises(NotFound):
        await adapter.fetch(voice, max_bytes=1_000)
    with pytest.raises(NotFound):
        await adapter.fetch(Attachment("other", "location", "", 0, ""), max_bytes=1_000)


async def test_a_second_poller_makes_it_wait_and_nothing_is_lost(
    telegram: TelegramServer, desk: Desk, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    telegram.fail("getUpdates", Fault(409, "Conflict: terminated by other getUpdates request"))
    await connect()
    telegram.say(ANNA, "hello")
    await eventually(lambda: desk.texts == ["hello"])
    assert "another program polls" in caplog.text


async def test_two_pollers_with_one_token_disturb_each_other(telegram: TelegramServer, connect: Connect) -> None:
    first, second = await connect(), await connect()
    assert first is not second
    await eventually(lambda: len(telegram.called("getUpdates")) >= 3)


async def test_a_failing_or_flooded_telegram_is_asked_again(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.fail("getUpdates", Fault(502, "Bad Gateway"))
    telegram.flood("getUpdates", 1)
    await connect()
    telegram.say(ANNA, "hello")
    await eventually(lambda: desk.texts == ["hello"])


async def test_a_dropped_connection_heals(telegram: TelegramServer, desk: Desk, connect: Connect) -> None:
    await connect()
    await telegram.shut()
    async with telegram:
        telegram.say(ANNA, "are you back?")
        await eventually(lambda: desk.texts == ["are you back?"])


async def test_it_connects_later_when_telegram_is_away_at_the_start(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    await telegram.shut()
    await connect()
    async with telegram:
        telegram.say(ANNA, "good morning")
        await eventually(lambda: desk.texts == ["good morning"])


async def test_a_wrong_token_found_out_later_is_told_and_not_tried_for_ever(
    telegram: TelegramServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    await telegram.shut()
    await connect(token="123:WRONG")
    async with telegram:
        await eventually(lambda: "Telegram stays off" in caplog.text)
    assert "WRONG" not in caplog.text


async def test_a_stop_while_telegram_is_away_ends_the_trying(telegram: TelegramServer, connect: Connect) -> None:
    await telegram.shut()
    adapter = await connect()
    await adapter.stop()


async def test_a_wrong_token_stops_the_start_without_showing_the_token(
    telegram: TelegramServer, connect: Connect
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await connect(token="123:WRONG")
    assert "TELEGRAM_BOT_TOKEN" in refused.value.user_message
    assert "WRONG" not in refused.value.user_message


async def test_the_command_menu_is_set_for_both_kinds_of_chats(telegram: TelegramServer, connect: Connect) -> None:
    await connect()
    names = {scope: [item["command"] for item in items] for scope, items in telegram.commands.items()}
    assert names == {"all_private_chats": ["help", "memories", "new"], "all_group_chats": ["help", "new"]}


async def test_a_server_without_menu_and_webhook_calls_will_do(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.missing |= {"setMyCommands", "deleteWebhook", "getChatAdministrators"}
    await connect()
    telegram.say(ANNA, "hello")
    await eventually(lambda: desk.texts == ["hello"])


async def test_being_blocked_and_reactions_are_no_messages(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    await connect()
    telegram.block(BEN)
    telegram.push({"message_reaction": {"chat": telegram.chats[ROOM], "message_id": 1}})
    await eventually(lambda: telegram.unconfirmed == 0)
    assert desk.events == []


async def test_a_group_that_becomes_a_supergroup_is_told_once(
    telegram: TelegramServer, desk: Desk, connect: Connect
) -> None:
    telegram.add_group(-500, "Old", kind="group")
    await connect()
    telegram.migrate(-500, -1005)
    telegram.push({"message": {"chat": telegram.chats[-1005], "message_id": 1, "migrate_from_chat_id": -500}})
    await eventually(lambda: telegram.unconfirmed == 0)
    telegram_name = PlatformName("telegram")
    assert desk.migrations == [(Place(telegram_name, "", "-500"), Place(telegram_name, "", "-1005"))]


async def test_each_chat_keeps_its_order_in_a_rush(telegram: TelegramServer, desk: Desk, connect: Connect) -> None:
    people = range(1_000, 1_050)
    for person in people:
        telegram.add_person(person, f"P{person}")
    for number in range(8):
        for person in people:
            telegram.say(person, str(number))
    await connect()
    await eventually(lambda: telegram.unconfirmed == 0)
    for person in people:
        said = [message.text for message in desk.messages if message.sender.external_id == str(person)]
        assert said == [str(number) for number in range(8)]


# --- webhook ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def pushed_to(telegram: TelegramServer, desk: Desk) -> AsyncIterator[TelegramAdapter]:
    """An adapter behind a real HTTP server, as the web process mounts it."""
    holder: list[TelegramAdapter] = []

    async def hook(request: web.Request) -> web.Response:
        return web.Response(status=await holder[0].handle_webhook(request.headers, await request.read()))

    app = web.Application()
    app.router.add_post("/telegram", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/telegram"
    adapter = TelegramAdapter(
        config_for(telegram, webhook_url=url, webhook_secret=SECRET), COMMANDS, on_migrated=desk.migrated
    )
    holder.append(adapter)
    yield adapter
    await adapter.stop()
    await runner.cleanup()


async def test_telegram_pushes_and_pushes_again_until_it_is_stored(
    telegram: TelegramServer, desk: Desk, pushed_to: TelegramAdapter
) -> None:
    telegram.say(ANNA, "waiting since before")
    desk.trouble = [StoreUnavailable(), StoreUnavailable()]
    await pushed_to.start(desk.accept)
    telegram.say(ANNA, "and now")
    await eventually(lambda: telegram.unconfirmed == 0)
    assert desk.texts == ["waiting since before", "and now"]
    assert set(telegram.webhook["allowed_updates"]) >= {"message", "edited_message", "callback_query"}


async def test_a_push_from_somebody_else_is_refused(
    telegram: TelegramServer, desk: Desk, pushed_to: TelegramAdapter
) -> None:
    body = json.dumps({"update_id": 1, "message": telegram.say(ANNA, "hi")}).encode()
    header = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
    assert await pushed_to.handle_webhook(header, body) == 503  # not started yet
    telegram.webhook["url"] = ""
    await pushed_to.start(desk.accept)
    await eventually(lambda: telegram.unconfirmed == 0)
    assert await pushed_to.handle_webhook({}, body) == 401
    assert await pushed_to.handle_webhook({"X-Telegram-Bot-Api-Secret-Token": "wröng"}, body) == 401
    assert await pushed_to.handle_webhook(header, b"{") == 400
    assert await pushed_to.handle_webhook(header, b"\xff\xfe") == 400
    assert await pushed_to.handle_webhook(header, b"[]") == 400
    assert await pushed_to.handle_webhook(header, body) == 200
    assert desk.texts == ["hi", "hi"]  # the core knows them for one: same event key
    assert len({message.event_key for message in desk.messages}) == 1


async def test_a_webhook_needs_a_secret_and_a_good_address(telegram: TelegramServer, connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="TELEGRAM_WEBHOOK_SECRET"):
        await connect(webhook_url="https://bot.example/telegram")
    with pytest.raises(ConfigurationError, match="TELEGRAM_WEBHOOK_URL"):
        await connect(webhook_url="ftp://bot.example/telegram", webhook_secret=SECRET)


async def test_pushes_of_one_chat_stay_in_order(
    telegram: TelegramServer, desk: Desk, pushed_to: TelegramAdapter
) -> None:
    await pushed_to.start(desk.accept)
    telegram.webhook["url"] = ""
    bodies = [
        json.dumps({"update_id": number, "message": telegram.say(BEN, f"/help {number}", chat=ROOM)}).encode()
        for number in range(8)
    ]
    header = {"x-telegram-bot-api-secret-token": SECRET}
    statuses = await asyncio.gather(*(pushed_to.handle_webhook(header, body) for body in bodies))
    assert statuses == [200] * 8
    assert desk.texts == [f"/help {number}" for number in range(8)]


async def test_the_doctor_tells_what_telegram_knows(telegram: TelegramServer, pushed_to: TelegramAdapter) -> None:
    polling = config_for(telegram)
    assert await problems(polling) == []
    pushing = config_for(telegram, webhook_url="https://bot.example/telegram", webhook_secret=SECRET)
    assert "TELEGRAM_WEBHOOK_URL" in (await problems(pushing))[0]
    telegram.webhook |= {"url": pushing.webhook_url, "last_error_message": "Connection refused"}
    assert "Connection refused" in (await problems(pushing))[0]
    assert "another program" in (await problems(polling))[0]
    assert "token" in (await problems(config_for(telegram, token="123:WRONG")))[0]
    await telegram.shut()
    assert "NotSent" in (await problems(polling))[0]


async def test_an_adapter_without_a_webhook_secret_takes_no_push(telegram: TelegramServer, connect: Connect) -> None:
    adapter = await connect()
    assert await adapter.handle_webhook({"X-Telegram-Bot-Api-Secret-Token": ""}, b"{}") == 401


async def test_a_stop_waits_for_the_batch_at_hand_and_confirms_it(telegram: TelegramServer, desk: Desk) -> None:
    storing, store_is_slow = asyncio.Event(), asyncio.Event()

    async def accept(event: InboundEvent) -> Acceptance:
        storing.set()
        await store_is_slow.wait()
        return await desk.accept(event)

    adapter = TelegramAdapter(config_for(telegram))
    await adapter.start(accept)
    telegram.say(ANNA, "just in time")
    await storing.wait()
    stopping = asyncio.create_task(adapter.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    store_is_slow.set()
    await stopping
    assert desk.texts == ["just in time"]
    assert telegram.unconfirmed == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "telegram-polling"]
