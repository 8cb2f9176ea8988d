"""Anna and Ben write to the bot, over the socket and over HTTP; what they wrote is stored before Slack is told so."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.platforms.slack import Engagement, SlackAdapter, SlackConfig
from adapters.platforms.slack.manifest import SCOPES
from core.errors import ConfigurationError, DeliveryUnknown, MemoryChatError, StoreUnavailable
from core.messages import Acceptance, Button, InboundEvent, MessageDeleted, MessageEdited, RoomRole
from core.types import Audience, ConversationKind
from tests.e2e.slack.conftest import Desk, answer, config_for, served
from tests.e2e.slack.model import ANNA, BEN, BETWEEN_PEOPLE, BOT, CARLA, DM, OTHER_ROOM, TEAM, TEAM_ROOM, Fault
from tests.e2e.slack.server import SlackServer
from tests.e2e.slack.transport import HttpTransport, Json, Sent, signature
from tests.support.polling import eventually


async def acknowledged(*sent: Sent) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*(item.acked.wait() for item in sent))


async def test_a_direct_message_arrives_whole(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    ts = slack.say(ANNA, "I &lt;3 <https://example.org|this page> &amp; tea")
    await acknowledged(*slack.sent)
    (message,) = desk.messages
    assert message.text == "I <3 this page (https://example.org) & tea"
    assert (message.place.workspace_id, message.place.chat_id, message.place.thread_id) == (TEAM, DM[ANNA], "")
    assert message.kind is ConversationKind.PRIVATE
    assert message.addressed
    assert (message.sender.external_id, message.sender.display_name, message.sender.language) == (ANNA, "Anna", "en")
    assert message.sender.role is RoomRole.MEMBER
    assert (message.event_id, message.message_id, message.reply_thread) == (f"{DM[ANNA]}:{ts}", ts, ts)


async def test_a_thread_of_a_direct_message_is_only_an_address(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    root = slack.say(ANNA, "first")
    slack.say(ANNA, "second", thread=root)
    await eventually(lambda: len(desk.messages) == 2)
    first, second = desk.messages
    assert first.place == second.place
    assert second.reply_thread == root


async def test_a_mention_arrives_once_although_slack_sends_two_events(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    slack.say(BEN, f"<@{BOT}> what does <@{CARLA}> drink?", channel=TEAM_ROOM)
    await eventually(lambda: all(sent.acked.is_set() for sent in slack.sent))
    assert len(slack.sent) == 2
    assert desk.texts == ["what does @Карла 🦊 drink?"]
    assert desk.duplicates == 1
    message = desk.messages[0]
    assert message.kind is ConversationKind.SHARED
    assert message.sender.display_name == "Ben Müller"
    assert message.sender.role is RoomRole.MANAGER  # Ben made that channel


async def test_an_administrator_manages_every_room(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    slack.say(ANNA, f"<@{BOT}> hello", channel=TEAM_ROOM)
    await eventually(lambda: bool(desk.messages))
    assert desk.messages[0].sender.role is RoomRole.MANAGER


async def test_bystanders_bots_and_joins_are_acknowledged_and_dropped(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    slack.say(ANNA, "nice weather", channel=TEAM_ROOM)
    slack.say(BEN, "in a thread of theirs", channel=TEAM_ROOM, thread=slack.messages(TEAM_ROOM)[0].ts)
    event = {"type": "message", "channel": TEAM_ROOM, "channel_type": "channel", "ts": slack.now()}
    slack.tell({**event, "subtype": "bot_message", "bot_id": "B9", "text": f"<@{BOT}> beep"})
    slack.tell({**event, "subtype": "channel_join", "user": ANNA, "text": "joined"})
    slack.tell({**event, "user": BOT, "bot_id": "B0BOT", "text": "my own"})
    slack.tell({"type": "a_kind_from_the_future", "user": ANNA})
    slack.tell({"type": "reaction_added", "user": ANNA, "item": {"type": "message", "channel": TEAM_ROOM, "ts": "1"}})
    await acknowledged(*slack.sent)
    assert desk.events == []


async def test_a_thread_that_the_bot_takes_part_in_needs_no_mention(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    root = slack.say(BEN, f"<@{BOT}> help us", channel=TEAM_ROOM)
    await eventually(lambda: bool(desk.messages))
    await adapter.send(desk.address, answer("Gladly."), nonce="n")
    slack.say(ANNA, "and what about tea?", channel=TEAM_ROOM, thread=root)
    await eventually(lambda: len(desk.messages) == 2)
    message = desk.messages[1]
    assert (message.text, message.addressed) == ("and what about tea?", True)
    assert message.place.thread_id == root
    assert message.thread_root == f"{TEAM_ROOM}:{root}"
    assert slack.called("conversations.replies") == []  # it knows without asking
    slack.say(ANNA, f"<@{BEN}> what do you think?", channel=TEAM_ROOM, thread=root)
    await acknowledged(*slack.sent)
    assert len(desk.messages) == 2


async def test_a_restarted_bot_still_knows_its_threads(slack: SlackServer, desk: Desk) -> None:
    root = slack.say(BEN, f"<@{BOT}> help us", channel=TEAM_ROOM)
    slack.sent.clear()
    slack.socket.waiting.clear()
    adapter = SlackAdapter(config_for(slack))
    await adapter.start(desk.accept)
    slack.say(ANNA, "and tea?", channel=TEAM_ROOM, thread=root)
    await eventually(lambda: desk.texts[-1:] == ["and tea?"])
    await adapter.stop()


async def test_edits_and_deletions_are_told(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    ts = slack.say(ANNA, "I drink coffee")
    slack.edit(DM[ANNA], ts, "I drink tea")
    slack.edit(DM[ANNA], ts, "I drink tea")  # an unfurled link looks like this
    slack.delete(DM[ANNA], ts)
    await acknowledged(*slack.sent)
    message, edited, deleted = desk.events
    assert isinstance(edited, MessageEdited)
    assert isinstance(deleted, MessageDeleted)
    assert edited.text == "I drink tea"
    assert edited.place == deleted.place == message.place
    assert edited.event_key == deleted.event_key == message.event_key


async def test_an_edited_mention_is_not_answered_again(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    event = {"type": "app_mention", "user": BEN, "channel": TEAM_ROOM, "ts": slack.now(), "text": f"<@{BOT}> hi"}
    slack.tell({**event, "edited": {"user": BEN, "ts": slack.now()}})
    await acknowledged(*slack.sent)
    assert desk.events == []


async def test_order_is_kept_in_a_chat(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    slack.fail("users.info", Fault(delay=0.1))  # the first message has to wait for its name, the others know it then
    for number in range(20):
        slack.say(ANNA, f"message {number}")
    await acknowledged(*slack.sent)
    assert desk.texts == [f"message {number}" for number in range(20)]


async def test_a_slow_directory_keeps_nobody_waiting_long(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    slack.fail("users.info", *[Fault(delay=30)] * 9)
    slack.say(CARLA, "hello")
    await acknowledged(*slack.sent)
    assert desk.messages[0].sender.display_name == ""


async def test_what_could_not_be_stored_is_sent_again(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    desk.trouble.append(StoreUnavailable("locked"))
    slack.say(ANNA, "remember this")
    await eventually(lambda: not desk.trouble)
    assert not slack.sent[0].acked.is_set()
    await slack.socket.redeliver()
    await acknowledged(*slack.sent)
    assert desk.texts == ["remember this"]


async def test_an_error_of_ours_loses_no_message_and_stops_no_other(
    slack: SlackServer, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    bugs = [KeyError("a bug")]

    async def stumbling(event: InboundEvent) -> Acceptance:
        if bugs:
            raise bugs.pop()
        return await desk.accept(event)

    adapter = SlackAdapter(config_for(slack))
    await adapter.start(stumbling)
    slack.say(ANNA, "first")
    await eventually(lambda: "request failed: KeyError" in caplog.text)
    slack.say(BEN, "second")
    await eventually(lambda: desk.texts == ["second"])
    await slack.socket.redeliver()
    await acknowledged(*slack.sent)
    assert desk.texts == ["second", "first"]
    await adapter.stop()


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "event_callback"},
        {"type": "event_callback", "event": None},
        {"type": "event_callback", "event": "message"},
        {"type": "event_callback", "event": {"type": 5}},
        {"type": "event_callback", "event": {"type": "message", "user": 7}},
        {"type": "event_callback", "authorizations": [3], "event": {"type": "message"}},
        {"type": "block_actions", "user": 5, "actions": "none"},
        {"type": "view_submission", "view": {}},
        {"command": 5},
        {},
    ],
)
async def test_malformed_requests_are_acknowledged_and_forgotten(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, payload: Json
) -> None:
    await acknowledged(slack.deliver("events_api", payload))
    slack.say(ANNA, "and now?")
    await acknowledged(*slack.sent)
    assert desk.texts == ["and now?"]


async def test_a_socket_that_slack_refreshes_loses_nothing(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    await slack.socket.ask_to_reconnect()
    slack.say(ANNA, "during")
    await eventually(lambda: slack.socket.connections == 2)
    slack.say(ANNA, "after")
    await acknowledged(*slack.sent)
    assert desk.texts == ["during", "after"]


async def test_a_dropped_socket_comes_back(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    await slack.socket.drop()
    slack.say(ANNA, "while you were away")
    await acknowledged(*slack.sent)
    assert desk.texts == ["while you were away"]
    assert slack.socket.connections == 2


async def test_a_ticket_that_no_longer_opens_is_replaced(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    slack.socket.refuse_connections = 2
    await slack.socket.drop()
    slack.say(ANNA, "still there?")
    await acknowledged(*slack.sent)
    assert desk.texts == ["still there?"]
    assert await adapter.is_connected()


async def test_after_a_long_time_without_a_socket_it_is_known_what_to_read_back(slack: SlackServer, desk: Desk) -> None:
    adapter = SlackAdapter(replace(config_for(slack), gap=1.0))
    await adapter.start(desk.accept)
    try:
        slack.say(ANNA, "before")
        await acknowledged(*slack.sent)
        gap = asyncio.create_task(adapter.gap())
        slack.socket.refuse_connections = 1_000
        await slack.socket.drop()
        slack.say(ANNA, "into the dark")
        slack.socket.waiting.clear()  # Slack has given up sending it
        tried, began = slack.socket.refuse_connections, time.monotonic()
        await eventually(lambda: slack.socket.refuse_connections < tried and time.monotonic() - began > 1.1)
        assert not gap.done()
        slack.socket.refuse_connections = 0
        since = await asyncio.wait_for(gap, 20.0)
        place = desk.messages[0].place
        assert [message.text async for message in adapter.backlog(place, "", since)][-1] == "into the dark"
    finally:
        await adapter.stop()


async def test_stopping_acknowledges_what_is_under_way(slack: SlackServer, desk: Desk) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(event: InboundEvent) -> Acceptance:
        entered.set()
        await go_on.wait()
        return await desk.accept(event)

    adapter = SlackAdapter(config_for(slack))
    await adapter.start(slowly)
    slack.say(ANNA, "one more")
    await entered.wait()
    asyncio.get_running_loop().call_later(0.1, go_on.set)
    await adapter.stop()
    await acknowledged(*slack.sent)
    assert desk.texts == ["one more"]


async def test_wrong_tokens_stop_the_start(slack: SlackServer, desk: Desk) -> None:
    right = config_for(slack)
    for wrong, name in (
        (SlackConfig(bot_token="xoxb-wrong", app_token="xapp-test", base_url=right.base_url), "SLACK_BOT_TOKEN"),
        (SlackConfig(bot_token="xoxb-test", app_token="xapp-wrong", base_url=right.base_url), "SLACK_APP_TOKEN"),
    ):
        adapter = SlackAdapter(wrong)
        with pytest.raises(ConfigurationError) as refused:
            await adapter.start(desk.accept)
        assert name in refused.value.problems[0]
        assert "wrong" not in refused.value.problems[0]
        await adapter.stop()


async def test_a_slack_out_of_reach_is_tried_until_it_answers(
    slack: SlackServer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.platforms.slack.adapter.RECONNECT", (0.01, 0.02))
    slack.fail("auth.test", Fault(status=503, html=True))
    adapter = SlackAdapter(config_for(slack))
    await adapter.start(desk.accept)
    slack.say(ANNA, "hello?")
    await acknowledged(*slack.sent)
    assert desk.texts == ["hello?"]
    await adapter.stop()


async def test_a_token_that_turns_out_wrong_later_ends_the_trying(
    slack: SlackServer, desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.platforms.slack.adapter.RECONNECT", (0.01, 0.02))
    slack.fail("auth.test", Fault(status=503, html=True), Fault(status=500), Fault(error="account_inactive"))
    adapter = SlackAdapter(config_for(slack))
    await adapter.start(desk.accept)
    await eventually(lambda: "Slack stays off: SLACK_BOT_TOKEN" in caplog.text)
    assert len(slack.called("auth.test")) == 3
    await adapter.stop()


async def test_a_token_tells_which_scopes_it_lacks(slack: SlackServer) -> None:
    adapter = SlackAdapter(config_for(slack))
    missing = await adapter.missing_scopes()
    assert "chat:write" not in missing
    assert "assistant:write" in missing
    slack.scopes = list(SCOPES)
    assert await adapter.missing_scopes() == ()
    slack.bot_token = "xoxb-another"
    with pytest.raises(ConfigurationError):
        await adapter.missing_scopes()
    slack.fail("auth.test", Fault(error="fatal_error"))
    with pytest.raises(DeliveryUnknown):
        await adapter.missing_scopes()
    await adapter.stop()


# -- HTTP -------------------------------------------------------------------------------------------------------------


async def test_signed_requests_are_taken_and_retries_are_no_second_message(
    slack: SlackServer, desk: Desk, web_adapter: SlackAdapter
) -> None:
    slack.say(BEN, f"<@{BOT}> hello", channel=TEAM_ROOM)
    await acknowledged(*slack.sent)
    assert slack.http is not None
    headers, body = slack.http.signed(slack.sent[0])
    assert await slack.http.post(headers | {"X-Slack-Retry-Num": "1"}, body) == (200, b"")
    assert desk.texts == ["hello"]
    assert desk.duplicates == 2


async def test_slack_sends_again_what_was_not_stored(slack: SlackServer, desk: Desk, web_adapter: SlackAdapter) -> None:
    desk.trouble += [StoreUnavailable(), StoreUnavailable()]
    slack.say(ANNA, "keep this")
    await acknowledged(*slack.sent)
    assert slack.sent[0].statuses == [503, 503, 200]
    assert desk.texts == ["keep this"]


async def test_the_address_is_verified_by_its_challenge(slack: SlackServer, web_adapter: SlackAdapter) -> None:
    assert slack.http is not None
    sent = Sent("events_api", {"type": "url_verification", "challenge": "3eZbrw1a", "token": "old"})
    status, body = await slack.http.post(*slack.http.signed(sent))
    assert (status, json.loads(body)) == (200, {"challenge": "3eZbrw1a"})


async def test_forged_old_and_malformed_requests_are_refused_and_not_logged(
    slack: SlackServer, desk: Desk, web_adapter: SlackAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert slack.http is not None
    event = {"type": "event_callback", "event": {"type": "message", "channel": DM[ANNA], "text": "my secret"}}
    sent = Sent("events_api", event)
    right, body = slack.http.signed(sent)
    old, _ = slack.http.signed(sent, at=time.time() - 301)
    early, _ = slack.http.signed(sent, at=time.time() + 320)
    for headers in (
        {**right, "X-Slack-Signature": "v0=" + "0" * 64},
        {**right, "X-Slack-Signature": "v0=ö"},
        {**right, "X-Slack-Request-Timestamp": "yesterday"},
        {name: value for name, value in right.items() if name != "X-Slack-Signature"},
        old,
        early,
        {**right, **signature("another secret", body)},
    ):
        assert (await slack.http.post(headers, body))[0] == 401
    for broken, status in ((b"{", 400), (b"\xff\xfe", 401), (b"[1]", 200), (b"{}", 200), (b"payload=x", 400)):
        headers = {"Content-Type": "application/json" if broken[:1] in b"{[" else "text/plain"}
        assert (await slack.http.post({**headers, **signature("shh", broken)}, broken))[0] == status
    big = b"x" * 3_000_001
    assert (await web_adapter.handle_http(signature("shh", big), big))[0] == 413
    assert desk.events == []
    assert "my secret" not in caplog.text


async def test_without_a_signing_secret_there_is_no_http(slack: SlackServer, adapter: SlackAdapter) -> None:
    assert (await adapter.handle_http({}, b"{}"))[0] == 404


async def test_requests_before_the_start_are_to_come_again(slack: SlackServer, desk: Desk) -> None:
    adapter = SlackAdapter(config_for(slack, socket=False))
    async with served(adapter) as url:
        http = HttpTransport(url, slack.signing_secret)
        sent = Sent("events_api", {"type": "event_callback", "event": {"type": "message"}})
        assert (await http.post(*http.signed(sent)))[0] == 503


# -- commands and buttons ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["socket", "http"])
async def either(request: pytest.FixtureRequest, slack: SlackServer, desk: Desk) -> AsyncIterator[SlackAdapter]:
    by_socket = request.param == "socket"
    adapter = SlackAdapter(config_for(slack, socket=by_socket))
    await adapter.start(desk.accept)
    async with served(adapter) as url:
        slack.http = None if by_socket else HttpTransport(url, slack.signing_secret)
        yield adapter
    await adapter.stop()


async def test_a_slash_command_in_a_room_is_for_the_asker(slack: SlackServer, desk: Desk, either: SlackAdapter) -> None:
    await acknowledged(slack.command(BEN, "/remember", "my payload is 5 kg", channel=TEAM_ROOM))
    (message,) = desk.messages
    assert message.text == "/remember my payload is 5 kg"
    assert (message.audience, message.kind) == (Audience.ASKER, ConversationKind.SHARED)
    assert message.handle


async def test_the_umbrella_command_is_every_command(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    for command, text in (("/memorychat", "status"), ("/memorychat", ""), ("/memorychat-status", "")):
        await acknowledged(slack.command(ANNA, command, text))
    assert desk.texts == ["/status", "/help", "/status"]


async def test_a_command_typed_elsewhere_belongs_to_the_talk_with_the_bot(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    await acknowledged(slack.command(ANNA, "/incognito", channel=BETWEEN_PEOPLE))
    await acknowledged(slack.command(ANNA, "/status"))
    elsewhere, at_home = desk.messages
    assert elsewhere.place == at_home.place
    assert elsewhere.place.chat_id == DM[ANNA]
    assert elsewhere.handle
    assert not at_home.handle
    await adapter.send(desk.address, answer("You are incognito."), nonce="n")
    assert slack.visible_messages(DM[ANNA]) == ["You are incognito."]


async def test_a_command_that_is_not_stored_is_told_so(slack: SlackServer, desk: Desk, either: SlackAdapter) -> None:
    desk.trouble.append(StoreUnavailable())
    await acknowledged(slack.command(BEN, "/forget", "all", channel=TEAM_ROOM))
    await eventually(lambda: slack.visible_messages(TEAM_ROOM, BEN) == [StoreUnavailable.user_message])
    assert slack.visible_messages(TEAM_ROOM, ANNA) == []


async def test_a_command_that_meets_a_bug_is_told_so(slack: SlackServer) -> None:
    async def broken(event: InboundEvent) -> Acceptance:
        raise KeyError("a bug")

    adapter = SlackAdapter(config_for(slack))
    await adapter.start(broken)
    await acknowledged(slack.command(BEN, "/help", channel=TEAM_ROOM))
    await eventually(lambda: slack.visible_messages(TEAM_ROOM, BEN) == [MemoryChatError.user_message])
    await adapter.stop()


async def test_a_slow_store_does_not_miss_slacks_deadline(
    slack: SlackServer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.platforms.slack.intake.INTERACTION_DEADLINE", 0.05)
    ready = asyncio.Event()

    async def slowly(event: InboundEvent) -> Acceptance:
        await ready.wait()
        return await desk.accept(event)

    adapter = SlackAdapter(config_for(slack))
    await adapter.start(slowly)
    await acknowledged(slack.command(ANNA, "/memories"))
    assert desk.events == []
    asyncio.get_running_loop().call_later(0.1, ready.set)
    await adapter.stop()
    assert desk.texts == ["/memories"]


async def test_pressing_a_button_sends_its_command_from_whoever_pressed(
    slack: SlackServer, desk: Desk, either: SlackAdapter
) -> None:
    root = slack.say(ANNA, f"<@{BOT}> forget it", channel=TEAM_ROOM)
    await eventually(lambda: bool(desk.messages))
    reply = answer("Sure?", buttons=(Button("Forget", "/confirm abc", danger=True), Button("Keep", "/cancel abc")))
    await either.send(desk.address, reply, nonce="n")
    shown = slack.last(TEAM_ROOM)
    assert shown.shown == "Sure?\n[Forget] [Keep]"
    await acknowledged(slack.press(BEN, shown, "Forget", channel=TEAM_ROOM))
    pressed = desk.messages[-1]
    assert (pressed.text, pressed.sender.external_id) == ("/confirm abc", BEN)
    assert (pressed.audience, pressed.place.thread_id) == (Audience.ASKER, root)


async def test_engagement_all_and_off(slack: SlackServer) -> None:
    for engagement, expected in (
        (Engagement.ALL, ["nice weather", "hello", "/help"]),
        (Engagement.OFF, ["/help"]),
    ):
        slack.sent.clear()
        desk = Desk()
        adapter = SlackAdapter(replace(config_for(slack), engagement=engagement))
        await adapter.start(desk.accept)
        slack.say(ANNA, "nice weather", channel=TEAM_ROOM)
        slack.say(BEN, f"<@{BOT}> hello", channel=TEAM_ROOM)
        await acknowledged(*slack.sent)
        await acknowledged(slack.command(BEN, "/help", channel=OTHER_ROOM))
        assert desk.texts == expected
        await adapter.stop()
