"""The bot answers: streamed, edited, split, privately, with files; and Slack refuses, delays, breaks off."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.platforms.slack import CAPABILITIES, SlackAdapter
from core.errors import (
    BadArgument,
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
    NotFound,
    StoreUnavailable,
)
from core.messages import Attachment, Button, OutboundFile, ReplyAddress
from core.types import Audience, ConversationKind, Place, TurnId
from tests.e2e.slack.conftest import Desk, answer, config_for
from tests.e2e.slack.model import ANNA, BEN, BETWEEN_PEOPLE, BOT, DM, OTHER_ROOM, TEAM, TEAM_ROOM, Fault
from tests.e2e.slack.server import SlackServer
from tests.support.polling import eventually

TURN = TurnId("turn")
NONCE = "nonce"
LONG = "\n\n".join(f"Paragraph {number}. " + "words " * 60 for number in range(80))


async def asked(slack: SlackServer, desk: Desk, text: str = "hello") -> ReplyAddress:
    """Anna wrote to the bot directly."""
    before = len(desk.messages)
    slack.say(ANNA, text)
    await eventually(lambda: len(desk.messages) > before)
    return desk.address


async def asked_in_room(slack: SlackServer, desk: Desk, *, thread: str = "") -> ReplyAddress:
    """Ben mentioned the bot in the team's channel."""
    before = len(desk.messages)
    slack.say(BEN, f"<@{BOT}> hello", channel=TEAM_ROOM, thread=thread)
    await eventually(lambda: len(desk.messages) > before)
    return desk.address


async def commanded(slack: SlackServer, desk: Desk, channel: str = TEAM_ROOM) -> ReplyAddress:
    before = len(desk.messages)
    slack.command(BEN, "/memories", channel=channel)
    await eventually(lambda: len(desk.messages) > before)
    return desk.address


# -- plain replies ----------------------------------------------------------------------------------------------------


async def test_an_answer_goes_into_the_thread_of_its_question(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await asked_in_room(slack, desk)
    (ts,) = await adapter.send(address, answer("**Hello** Ben"), nonce=NONCE)
    shown = slack.last(TEAM_ROOM)
    assert (shown.ts, shown.thread_ts) == (ts, address.reply_to)
    assert shown.shown == "**Hello** Ben"
    assert shown.text == "**Hello** Ben"  # for notifications


async def test_mode_and_doubt_stand_small_at_the_end(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked(slack, desk)
    await adapter.send(address, answer("Yes.", badge="🕶 incognito", maybe_duplicate=True), nonce=NONCE)
    assert slack.last(DM[ANNA]).shown == "Yes.\n🕶 incognito (may be a duplicate)"
    assert slack.last(DM[ANNA]).blocks[-1]["type"] == "context"


async def test_nothing_of_the_model_pings_anybody(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked_in_room(slack, desk)
    await adapter.send(address, answer(f"<!channel> <@{ANNA}> <!subteam^S1> @here, look"), nonce=NONCE)
    shown = slack.last(TEAM_ROOM)
    for dangerous in ("<!channel", f"<@{ANNA}", "<!subteam", "@here"):
        assert dangerous not in shown.shown
        assert dangerous not in shown.text


async def test_a_long_answer_is_split_and_whole(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked(slack, desk)
    ids = await adapter.send(address, answer(LONG, buttons=(Button("More", "/more"),)), nonce=NONCE)
    messages = slack.visible_messages(DM[ANNA])
    assert len(ids) == len(messages) > 2
    assert all(len(text) <= 12_000 for text in messages)
    assert "".join("".join(messages).replace("[More]", "").split()) == "".join(LONG.split())
    assert [bool(message.buttons()) for message in slack.messages(DM[ANNA])[1:]] == [False] * (len(ids) - 1) + [True]


async def test_a_known_message_is_edited_into_shape(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked(slack, desk)
    ids = await adapter.send(address, answer("Half of an ans"), nonce=NONCE)
    assert await adapter.send(address, answer("The answer."), nonce=NONCE, known_ids=ids) == ids
    assert slack.visible_messages(DM[ANNA]) == ["The answer."]
    await adapter.edit(address, ids[0], answer("The right answer."))
    assert slack.visible_messages(DM[ANNA]) == ["The right answer."]


async def test_a_known_message_that_somebody_removed_is_posted_anew(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await asked(slack, desk)
    await adapter.send(address, answer("The answer."), nonce=NONCE, known_ids=("1.0",))
    assert slack.visible_messages(DM[ANNA]) == ["The answer."]


async def test_a_process_that_only_sends_needs_no_start(slack: SlackServer) -> None:
    adapter = SlackAdapter(config_for(slack))
    place = Place(adapter.name, TEAM, DM[ANNA])
    await adapter.send(ReplyAddress(place, ConversationKind.PRIVATE, ANNA), answer("Good morning."), nonce=NONCE)
    assert slack.visible_messages(DM[ANNA]) == ["Good morning."]
    await adapter.stop()


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_rate_limit_of_minutes_is_handed_on_and_stops_nobody_else(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await asked(slack, desk)
    slack.fail("chat.postMessage", Fault(status=429, retry_after=300))
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(address, answer("Later."), nonce=NONCE)
    assert limited.value.retry_after == 300
    await adapter.send(await asked_in_room(slack, desk), answer("Now."), nonce=NONCE)
    assert slack.visible_messages(TEAM_ROOM) == ["Now."]


async def test_what_arrived_before_a_limit_is_not_sent_twice(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await asked(slack, desk)
    slack.fail("chat.postMessage", Fault(delay=0.001), Fault(status=429, retry_after=0))
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(address, answer(LONG), nonce=NONCE)
    assert len(limited.value.sent_ids) == 1
    ids = await adapter.send(address, answer(LONG), nonce=NONCE, known_ids=limited.value.sent_ids)
    assert len(slack.visible_messages(DM[ANNA])) == len(ids)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(error="channel_not_found"), DeliveryRefused),
        (Fault(error="is_archived"), DeliveryRefused),
        (Fault(error="token_revoked"), DeliveryRefused),
        (Fault(error="a_new_error"), DeliveryRefused),
        (Fault(error="service_unavailable"), DeliveryRateLimited),
        (Fault(error="ratelimited"), DeliveryRateLimited),
        (Fault(error="fatal_error"), DeliveryUnknown),
        (Fault(status=500), DeliveryUnknown),
        (Fault(status=502, html=True), DeliveryUnknown),
        (Fault(cut=True), DeliveryUnknown),
    ],
)
async def test_slacks_refusals_are_told_apart(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, fault: Fault, expected: type[DeliveryError]
) -> None:
    address = await asked(slack, desk)
    slack.fail("chat.postMessage", fault)
    with pytest.raises(expected) as raised:
        await adapter.send(address, answer("my secret"), nonce=NONCE)
    assert "secret" not in str(raised.value)


async def test_an_unanswered_call_is_unknown_and_an_unreached_server_is_not(slack: SlackServer) -> None:
    place = Place(SlackAdapter(config_for(slack)).name, TEAM, DM[ANNA])
    address = ReplyAddress(place, ConversationKind.PRIVATE, ANNA)
    slack.fail("chat.postMessage", Fault(delay=30))
    adapter = SlackAdapter(replace(config_for(slack), request_timeout=0.05))
    with pytest.raises(DeliveryUnknown):
        await adapter.send(address, answer("hm"), nonce=NONCE)
    await adapter.stop()
    adapter = SlackAdapter(replace(config_for(slack), base_url="http://127.0.0.1:1/api/"))
    with pytest.raises(DeliveryRateLimited):
        await adapter.send(address, answer("hm"), nonce=NONCE)
    await adapter.stop()


async def test_a_bot_that_was_removed_from_a_channel_still_serves_the_others(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await asked_in_room(slack, desk)
    slack.members[TEAM_ROOM].remove(BOT)
    with pytest.raises(DeliveryRefused):
        await adapter.send(address, answer("Hello"), nonce=NONCE)
    stream = await adapter.open_stream(address, turn_id=TURN, nonce=NONCE)
    with pytest.raises(DeliveryRefused):
        await stream.update("Hel")
    await adapter.send(await asked(slack, desk), answer("Hello"), nonce=NONCE)
    assert slack.visible_messages(DM[ANNA]) == ["Hello"]


# -- streaming --------------------------------------------------------------------------------------------------------


async def test_an_answer_grows_in_slacks_own_stream(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked_in_room(slack, desk)
    stream = await adapter.open_stream(address, turn_id=TURN, nonce=NONCE)
    assert stream.message_ids == ()
    await stream.update("Green")
    assert slack.visible_messages(TEAM_ROOM) == ["Green"]
    await stream.update("Green tea")
    await stream.update("Green tea")
    (ts,) = stream.message_ids
    ids = await stream.finish(answer("Green tea.", badge="⏸ paused", buttons=(Button("Forget", "/forget last"),)))
    assert ids == (ts,)
    shown = slack.last(TEAM_ROOM)
    assert shown.shown == "Green tea.\n[Forget]\n⏸ paused"
    assert not shown.streaming
    assert shown.thread_ts == address.reply_to
    methods = [method for method, _ in slack.calls if method.startswith("chat.")]
    assert methods == ["chat.startStream", "chat.appendStream", "chat.stopStream"]
    start = slack.called("chat.startStream")[0]
    assert (start["recipient_user_id"], start["recipient_team_id"]) == (BEN, TEAM)


async def test_a_stream_whose_end_differs_is_replaced_whole(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("I think that")
    await stream.finish(answer("My model broke off; /retry tries again.", badge="⏸"))
    assert slack.visible_messages(DM[ANNA]) == ["My model broke off; /retry tries again.\n⏸"]


async def test_a_stream_that_outgrows_its_message_goes_on_in_others(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    for end in range(2_000, len(LONG), 2_000):
        await stream.update(LONG[:end])
    ids = await stream.finish(answer(LONG))
    messages = slack.visible_messages(DM[ANNA])
    assert len(ids) == len(messages) > 2
    assert "".join("".join(messages).split()) == "".join(LONG.split())


@pytest.mark.parametrize("code", ["unknown_method", "feature_not_enabled"])
async def test_a_server_without_streams_gets_edits_for_good(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, code: str
) -> None:
    slack.fail("chat.startStream", Fault(error=code))
    for _ in range(2):
        stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
        await stream.update("Green")
        await stream.update("Green tea")
        await stream.update("Green tea")
        await stream.finish(answer("Green tea."))
    assert slack.visible_messages(DM[ANNA]) == ["Green tea.", "Green tea."]
    assert len(slack.called("chat.startStream")) == 1
    assert [message.edits for message in slack.messages(DM[ANNA]) if message.user == BOT] == [2, 2]


async def test_an_edit_that_changes_nothing_is_not_made(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    slack.missing.add("chat.startStream")
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("Green tea.")
    await stream.finish(answer("Green tea."))
    assert slack.called("chat.update") == []


async def test_a_server_that_answers_404_has_no_streams(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    slack.fail("chat.startStream", Fault(status=404, html=True))
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("Green tea.")
    await stream.finish(answer("Green tea."))
    assert slack.visible_messages(DM[ANNA]) == ["Green tea."]


async def test_a_stream_that_slack_ended_becomes_edits(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("Green")
    slack.expire_streams()
    await stream.update("Green tea is")
    assert slack.visible_messages(DM[ANNA]) == ["Green tea is"]
    await stream.finish(answer("Green tea is good."))
    assert slack.visible_messages(DM[ANNA]) == ["Green tea is good."]


async def test_a_stream_that_slack_ended_just_before_its_end(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("Green")
    slack.expire_streams()
    await stream.finish(answer("Green tea.", badge="⏸"))
    assert slack.visible_messages(DM[ANNA]) == ["Green tea.\n⏸"]


async def test_a_stream_that_somebody_removed_still_ends_with_the_answer(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("Green")
    slack.delete(DM[ANNA], stream.message_ids[0])
    with pytest.raises(DeliveryRefused):
        await stream.update("Green tea")
    await stream.finish(answer("Green tea."))
    assert slack.visible_messages(DM[ANNA]) == ["Green tea."]


async def test_a_limit_at_the_end_leads_to_one_whole_answer(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update(LONG[:3_000])
    slack.fail("chat.stopStream", Fault(status=429, retry_after=0))
    slack.fail("chat.postMessage", Fault(delay=0.001), Fault(status=429, retry_after=0))
    for _ in range(2):
        with pytest.raises(DeliveryRateLimited):
            await stream.finish(answer(LONG))
    ids = await stream.finish(answer(LONG))
    messages = slack.visible_messages(DM[ANNA])
    assert len(ids) == len(set(ids)) == len(messages)
    assert "".join("".join(messages).split()) == "".join(LONG.split())


async def test_an_update_over_the_limit_is_skipped_and_made_up_for(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("One")
    slack.fail("chat.appendStream", Fault(status=429, retry_after=0))
    with pytest.raises(DeliveryRateLimited) as limited:
        await stream.update("One two")
    assert limited.value.sent_ids == stream.message_ids
    await stream.update("One two three")
    await stream.finish(answer("One two three."))
    assert slack.visible_messages(DM[ANNA]) == ["One two three."]
    assert slack.called("chat.update") == []


async def test_an_append_that_may_have_arrived_is_not_repeated(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    await stream.update("One")
    slack.fail("chat.appendStream", Fault(cut=True))
    with pytest.raises(DeliveryUnknown):
        await stream.update("One two")
    await stream.finish(answer("One two three."))
    assert slack.visible_messages(DM[ANNA]) == ["One two three."]


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.postMessage", "chat.update"])
async def test_an_answer_that_ends_while_its_preview_is_under_way_stands_once(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, method: str
) -> None:
    """The core cancels the preview as soon as it has the whole text."""
    if method in ("chat.postMessage", "chat.update"):
        slack.missing.add("chat.startStream")
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    if method in ("chat.appendStream", "chat.update"):
        await stream.update("One")
    slack.fail(method, Fault(delay=0.05))
    preview = asyncio.create_task(stream.update("One two"))
    await eventually(lambda: bool(slack.called(method)))
    preview.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preview
    await stream.finish(answer("One two three."))
    await eventually(lambda: slack.under_way == 0)
    assert slack.visible_messages(DM[ANNA]) == ["One two three."]


async def test_a_start_that_may_have_arrived_is_told(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    stream = await adapter.open_stream(await asked(slack, desk), turn_id=TURN, nonce=NONCE)
    slack.fail("chat.startStream", Fault(cut=True))
    with pytest.raises(DeliveryUnknown):
        await stream.update("One")
    await stream.finish(answer("One two."))
    assert slack.last(DM[ANNA]).shown == "One two.\n(may be a duplicate)"


async def test_a_crash_in_the_middle_of_a_stream_leaves_one_answer(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    """The next process knows only the message's id; Slack still holds it for streaming."""
    address = await asked(slack, desk)
    stream = await adapter.open_stream(address, turn_id=TURN, nonce=NONCE)
    await stream.update("Half of an")
    another = SlackAdapter(config_for(slack))
    ids = await another.send(address, answer("The whole answer."), nonce=NONCE, known_ids=stream.message_ids)
    assert ids == stream.message_ids
    assert slack.visible_messages(DM[ANNA]) == ["The whole answer."]
    await another.stop()


async def test_a_preview_with_a_broken_mention_never_pings(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    text = f"Ask <@{ANNA}> about <!here> it"
    stream = await adapter.open_stream(await asked_in_room(slack, desk), turn_id=TURN, nonce=NONCE)
    for end in range(1, len(text)):
        await stream.update(text[:end])
    await stream.finish(answer(text))
    assert f"<@{ANNA}" not in slack.last(TEAM_ROOM).shown
    assert "<!here" not in slack.last(TEAM_ROOM).shown
    assert slack.called("chat.update") == []  # the stream was never in doubt


# -- private answers --------------------------------------------------------------------------------------------------


async def test_a_commands_answer_is_shown_to_the_asker_alone(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk)
    ids = await adapter.send(address, answer("Your memories", audience=Audience.ASKER), nonce=NONCE)
    assert slack.visible_messages(TEAM_ROOM, BEN) == ["Your memories"]
    assert slack.visible_messages(TEAM_ROOM, ANNA) == []
    again = await adapter.send(address, answer("Your memories", audience=Audience.ASKER), nonce=NONCE, known_ids=ids)
    assert again == ids
    assert slack.visible_messages(TEAM_ROOM, BEN) == ["Your memories"]


async def test_a_commands_answer_reaches_a_room_without_the_bot(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk, channel=OTHER_ROOM)
    await adapter.send(address, answer("Hello", audience=Audience.ASKER), nonce=NONCE)
    assert slack.visible_messages(OTHER_ROOM, BEN) == ["Hello"]


async def test_an_answer_to_a_command_typed_between_people(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk, channel=BETWEEN_PEOPLE)
    stream = await adapter.open_stream(address, turn_id=TURN, nonce=NONCE)
    await stream.update("Hel")
    await stream.finish(answer("Hello"))
    assert slack.visible_messages(BETWEEN_PEOPLE, BEN) == ["Hello"]
    assert slack.visible_messages(DM[BEN]) == []


async def test_a_private_answer_to_a_mention_is_ephemeral_in_its_thread(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    root = slack.say(ANNA, "a thread", channel=TEAM_ROOM)
    for thread, expected in (("", ""), (root, root)):
        address = await asked_in_room(slack, desk, thread=thread)
        await adapter.send(address, answer("Only you", audience=Audience.ASKER), nonce=NONCE)
        assert slack.last(TEAM_ROOM).only_for == BEN
        assert slack.last(TEAM_ROOM).thread_ts == expected
        assert slack.statuses[-1] == ""


async def test_an_interaction_that_is_over_falls_back(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    private = answer("Your memories", audience=Audience.ASKER)
    address = await commanded(slack, desk)
    slack.response_uses.clear()  # half an hour later
    assert await adapter.send(address, private, nonce=NONCE)
    assert slack.last(TEAM_ROOM).only_for == BEN
    address = await commanded(slack, desk, channel=OTHER_ROOM)
    slack.response_uses.clear()
    await adapter.send(address, private, nonce=NONCE)
    assert slack.visible_messages(OTHER_ROOM, BEN) == []
    assert slack.visible_messages(DM[BEN]) == ["Your memories"]


async def test_a_long_private_answer_uses_an_interaction_up(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk)
    ids = await adapter.send(address, answer(LONG * 3, audience=Audience.ASKER), nonce=NONCE)
    assert len(slack.visible_messages(TEAM_ROOM, BEN)) == len(ids) > 5
    assert len(slack.called("response_url")) == 5


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=429, retry_after=7), DeliveryRateLimited),
        (Fault(status=500), DeliveryUnknown),
    ],
)
async def test_a_response_address_in_trouble(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, fault: Fault, expected: type[DeliveryError]
) -> None:
    address = await commanded(slack, desk)
    slack.fail("response_url", fault)
    with pytest.raises(expected):
        await adapter.send(address, answer("Hello", audience=Audience.ASKER), nonce=NONCE)


async def test_a_person_who_cannot_be_reached_privately_is_refused(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk, channel=OTHER_ROOM)
    slack.response_uses.clear()
    slack.fail("conversations.open", Fault(status=429, retry_after=9))
    with pytest.raises(DeliveryRateLimited):
        await adapter.send(address, answer("Hello", audience=Audience.ASKER), nonce=NONCE)
    slack.closed_directs.add(BEN)
    with pytest.raises(DeliveryRefused):
        await adapter.send(address, answer("Hello", audience=Audience.ASKER), nonce=NONCE)
    assert slack.visible_messages(OTHER_ROOM, BEN) == []


# -- files ------------------------------------------------------------------------------------------------------------

EXPORT = OutboundFile("export.json", "application/json", b'{"memories": []}')


async def test_a_file_goes_with_its_text(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked(slack, desk)
    slack.fail("files.completeUploadExternal", Fault(status=429, retry_after=0))
    reply = answer("All I have.", files=(EXPORT,))
    with pytest.raises(DeliveryRateLimited) as limited:
        await adapter.send(address, reply, nonce=NONCE)
    ids = await adapter.send(address, reply, nonce=NONCE, known_ids=limited.value.sent_ids)
    assert slack.visible_messages(DM[ANNA]) == ["All I have."]
    assert list(slack.shared_files.values()) == [DM[ANNA]]
    assert slack.uploads[ids[1].removeprefix("fixed:")] == EXPORT.data


async def test_a_file_for_the_asker_never_lies_in_the_room(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    address = await commanded(slack, desk)
    await adapter.send(address, answer("All I have.", audience=Audience.ASKER, files=(EXPORT,)), nonce=NONCE)
    assert slack.visible_messages(DM[BEN]) == ["All I have."]
    assert slack.visible_messages(TEAM_ROOM, BEN) == ["I wrote to you directly."]
    assert list(slack.shared_files.values()) == [DM[BEN]]


async def test_files_of_people_are_fetched_with_the_token(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    shape = slack.offer_file("cat.png", "image/png", b"PNG" * 100)
    hidden = {"id": shape["id"], "file_access": "check_file_info"}
    slack.say(ANNA, "look", files=[shape, hidden])
    await eventually(lambda: bool(desk.messages))
    seen, known_by_id = desk.messages[0].attachments
    assert (seen.kind, seen.name, seen.media_type, seen.size) == ("image", "cat.png", "image/png", 300)
    assert await adapter.fetch(seen, max_bytes=1_000) == b"PNG" * 100
    assert await adapter.fetch(known_by_id, max_bytes=1_000) == b"PNG" * 100


async def test_files_too_large_gone_or_elsewhere(slack: SlackServer, adapter: SlackAdapter) -> None:
    shape = slack.offer_file("film.mp4", "video/mp4", b"x" * 200_000)
    address = str(shape["url_private_download"])

    def file(reference: str, size: int = 0) -> Attachment:
        return Attachment("video", "film.mp4", "video/mp4", size, reference)

    for known_size in (0, 200_000):
        with pytest.raises(BadArgument):
            await adapter.fetch(file(address, known_size), max_bytes=100_000)
    elsewhere = address.replace("127.0.0.1", "localhost")  # not Slack: gets no token, hence no file
    for reference in ("F404", f"{slack.url}/files/F404", elsewhere, "http://127.0.0.1:1/x", ""):
        with pytest.raises(NotFound):
            await adapter.fetch(file(reference), max_bytes=100_000)


# -- while it thinks, and what was before ----------------------------------------------------------------------------


async def test_the_status_is_shown_and_never_fatal(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    address = await asked(slack, desk)
    await adapter.typing(address)
    slack.fail("assistant.threads.setStatus", Fault(error="channel_not_found"))
    await adapter.typing(address)
    await adapter.typing(address)
    assert slack.statuses == ["is thinking…"] * 2
    slack.missing.add("assistant.threads.setStatus")
    await adapter.typing(address)
    await adapter.typing(address)
    assert len(slack.called("assistant.threads.setStatus")) == 4  # once refused, it is not asked for again


async def test_the_earlier_messages_of_a_thread_can_be_read(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter
) -> None:
    root = slack.say(ANNA, "Where shall we eat?", channel=TEAM_ROOM)
    for number in range(4):
        slack.say(BEN, f"idea {number} for <@{ANNA}>", channel=TEAM_ROOM, thread=root)
    address = await asked_in_room(slack, desk, thread=root)
    slack.say(ANNA, "later", channel=TEAM_ROOM, thread=root)
    said = await adapter.thread_history(address, limit=3)
    assert said == [("Ben Müller", f"idea {number} for @Anna") for number in (1, 2, 3)]
    again = await asked_in_room(slack, desk, thread=root)
    assert await adapter.thread_history(again, limit=3) == said, "nothing from the first call of the bot on"
    slack.fail("conversations.replies", Fault(error="missing_scope"))
    with pytest.raises(DeliveryRefused):
        await adapter.thread_history(address, limit=3)


async def test_what_came_while_the_bot_was_away_can_be_read_back(slack: SlackServer, desk: Desk) -> None:
    before = slack.say(ANNA, "before")
    root = slack.say(ANNA, "one")
    slack.say(ANNA, "two", thread=root)
    slack.say(BEN, "among others", channel=TEAM_ROOM)
    slack.say(BEN, f"<@{BOT}> for you", channel=TEAM_ROOM)
    thread = slack.messages(TEAM_ROOM)[0].ts
    slack.say(ANNA, f"<@{BOT}> and here", channel=TEAM_ROOM, thread=thread)
    joined = slack.messages(TEAM_ROOM)[1].ts
    slack.say(ANNA, "without a mention", channel=TEAM_ROOM, thread=joined)
    slack.socket.waiting.clear()
    adapter = SlackAdapter(config_for(slack))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    async def missed(place: Place, cursor: str) -> list[str]:
        return [message.text async for message in adapter.backlog(place, cursor, hour_ago)]

    assert await missed(Place(adapter.name, TEAM, DM[ANNA]), before) == ["one", "two"]
    assert await missed(Place(adapter.name, TEAM, TEAM_ROOM), "") == ["for you"]
    assert await missed(Place(adapter.name, TEAM, TEAM_ROOM, thread), "") == ["and here"]
    assert await missed(Place(adapter.name, TEAM, TEAM_ROOM, joined), "") == ["without a mention"]
    await adapter.stop()


async def test_nothing_that_was_said_is_logged(
    slack: SlackServer, desk: Desk, adapter: SlackAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiohttp").setLevel(logging.DEBUG)
    desk.trouble.append(StoreUnavailable())
    slack.say(ANNA, "my secret is 4711")
    await eventually(lambda: not desk.trouble)
    address = await asked(slack, desk, "my secret is 4712")
    slack.fail("chat.postMessage", Fault(error="fatal_error"))
    with pytest.raises(DeliveryUnknown):
        await adapter.send(address, answer("your secret"), nonce=NONCE)
    await slack.socket.drop()
    await eventually(lambda: slack.socket.connections == 2)
    for private in ("secret", slack.bot_token, slack.app_token, "ticket="):
        assert private not in caplog.text


def test_capabilities_fit_what_slack_takes() -> None:
    assert CAPABILITIES.max_characters <= 12_000


async def test_many_people_at_once(slack: SlackServer, desk: Desk, adapter: SlackAdapter) -> None:
    for number in range(60):
        slack.say((ANNA, BEN)[number % 2], f"{number}")
    await eventually(lambda: len(desk.messages) == 60)
    await asyncio.gather(
        *(adapter.send(ReplyAddress.of(message), answer(message.text), nonce=message.text) for message in desk.messages)
    )
    for user, first in ((ANNA, 0), (BEN, 1)):
        assert sorted(map(int, slack.visible_messages(DM[user]))) == list(range(first, 60, 2))
