"""The real SDK over real sockets: connecting, losing the connection, and a Discord that refuses or does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.platforms.discord import PLATFORM, DiscordAdapter, DiscordConfig
from adapters.platforms.discord.doctor import left_to_do, problems
from core.errors import (
    ConfigurationError,
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
    NotFound,
    StoreUnavailable,
)
from core.messages import Attachment, ReplyAddress
from core.types import Audience, ConversationKind, Place, TurnId
from tests.e2e.discord.desk import Desk, reply
from tests.e2e.discord.wire import Wire, person
from tests.support.polling import eventually

Connect = Callable[..., Awaitable[DiscordAdapter]]
ADDRESS = ReplyAddress(place=Place(PLATFORM, "", "801"), kind=ConversationKind.PRIVATE, recipient="201")


@pytest.fixture(autouse=True)
def addresses_put_back() -> Iterator[None]:
    """The SDK keeps them in its classes."""
    base, default = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, default


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with Wire() as server:
        yield server


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def connect(wire: Wire, desk: Desk) -> AsyncIterator[Connect]:
    """An adapter at that address; `start=False` only makes it."""
    made: list[DiscordAdapter] = []

    async def build(*, start: bool = True, conversations: Any = None, **settings: Any) -> DiscordAdapter:
        settings = {"token": wire.token, "retry_pause": 0.01, "request_timeout": 5.0, **settings}
        config = DiscordConfig(**{"api_url": wire.api_url, "gateway_url": wire.gateway_url, **settings})
        adapter = DiscordAdapter(config, conversations=conversations)
        made.append(adapter)
        if start:
            await adapter.start(desk.accept)
        return adapter

    yield build
    for adapter in made:
        await adapter.stop()


async def test_a_message_comes_in_and_its_answer_goes_out(wire: Wire, desk: Desk, connect: Connect) -> None:
    adapter = await connect()
    await eventually(wire.connected)
    await wire.direct_message("good morning")
    await eventually(lambda: bool(desk.messages))
    await adapter.send(ReplyAddress.of(desk.messages[0]), reply("Good morning!", Audience.ASKER), nonce="1")
    assert wire.texts() == ["good morning", "Good morning!"]


async def test_a_wrong_token_is_refused_at_the_start(connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="DISCORD_BOT_TOKEN") as caught:
        await connect(token="x.y.z")
    assert "x.y.z" not in str(caught.value)


async def test_with_a_wrong_token_nothing_is_sent(connect: Connect) -> None:
    adapter = await connect(token="x.y.z", start=False)
    with pytest.raises(DeliveryRefused):
        await adapter.send(ADDRESS, reply("hi"), nonce="1")


async def test_sending_needs_no_gateway(wire: Wire, connect: Connect) -> None:
    adapter = await connect(start=False)
    await adapter.send(ADDRESS, reply("from a worker"), nonce="1")
    assert wire.texts() == ["from a worker"]
    assert not wire.identified


async def test_a_discord_that_is_out_of_reach_is_tried_again(wire: Wire, desk: Desk, connect: Connect) -> None:
    wire.fail("GET /users/@me", 503, times=2)
    await connect()
    await eventually(wire.connected)


async def test_a_gateway_that_refuses_the_first_connections_is_tried_again(
    wire: Wire, desk: Desk, connect: Connect
) -> None:
    wire.refusals = 2
    await connect()
    await eventually(wire.connected)
    await wire.direct_message("at last")
    await eventually(lambda: desk.texts == ["at last"])


async def test_without_the_message_content_intent_it_goes_on_with_less(
    wire: Wire, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    content = 1 << 15
    wire.greetings = [4014]
    await connect()
    await eventually(wire.connected)
    assert [bool(sent["intents"] & content) for sent in wire.identified] == [True, False]
    assert "Message Content Intent" in caplog.text


async def test_a_token_that_is_revoked_later_ends_the_listening(
    wire: Wire, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    wire.greetings = [4004]
    await connect()
    await eventually(lambda: "stays off" in caplog.text)
    assert len(wire.identified) == 1


async def test_a_dropped_socket_is_resumed_and_nothing_is_missed(wire: Wire, desk: Desk, connect: Connect) -> None:
    cursors: list[tuple[Place, str]] = []

    async def conversations() -> list[tuple[Place, str]]:
        return cursors

    await connect(conversations=conversations)
    await eventually(wire.connected)
    await wire.direct_message("one")
    await eventually(lambda: bool(desk.messages))
    cursors.append((desk.messages[0].place, desk.messages[0].cursor))
    await wire.hang_up(4000)
    await wire.direct_message("while the line was down", heard=False)
    await eventually(wire.connected, seconds=20)
    await wire.direct_message("two")
    await eventually(lambda: "two" in desk.texts)
    assert list(dict.fromkeys(desk.texts)) == ["one", "while the line was down", "two"]


async def test_malformed_and_unknown_events_do_not_end_the_connection(wire: Wire, desk: Desk, connect: Connect) -> None:
    await connect()
    await eventually(wire.connected)
    for name in ("MESSAGE_CREATE", "MESSAGE_UPDATE", "INTERACTION_CREATE", "GUILD_CREATE", "SOMETHING_NEW"):
        await wire.event(name, {"id": "1", "channel_id": "801"})
        await wire.event(name, None)
    await wire.direct_message("still here")
    await eventually(lambda: bool(desk.texts))
    assert desk.texts == ["still here"]
    assert len(wire.identified) == 1


async def test_a_second_try_with_the_same_nonce_is_no_second_message(wire: Wire, connect: Connect) -> None:
    adapter = await connect(request_timeout=0.3)
    wire.hang("POST /channels/801/messages", after_doing_it=True)
    with pytest.raises(DeliveryUnknown):
        await adapter.send(ADDRESS, reply("half of it"), nonce="1")
    await adapter.send(ADDRESS, reply("all of it"), nonce="1")
    assert wire.texts() == ["all of it"]


async def test_a_short_rate_limit_is_waited_for(wire: Wire, connect: Connect) -> None:
    adapter = await connect()
    wire.fail("POST .*messages", 429, {"retry_after": 0.01, "global": False, "message": "slow"}, Via="1.1 google")
    await adapter.send(ADDRESS, reply("hi"), nonce="1")
    assert wire.texts() == ["hi"]


async def test_a_long_rate_limit_is_told_to_the_core(wire: Wire, connect: Connect) -> None:
    adapter = await connect()
    wire.fail("POST .*messages", 429, {"retry_after": 300.0, "global": False, "message": "slow"}, Via="1.1 google")
    with pytest.raises(DeliveryRateLimited) as caught:
        await adapter.send(ADDRESS, reply("hi"), nonce="1")
    assert caught.value.retry_after == 300.0
    assert wire.texts() == []


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "17"}, 17.0), ({}, 30.0)])
async def test_a_ban_by_the_proxy_before_discord_is_a_rate_limit(
    wire: Wire, connect: Connect, headers: dict[str, str], seconds: float
) -> None:
    adapter = await connect()
    wire.fail("POST .*messages", 429, {"message": "banned"}, 1, **headers)
    with pytest.raises(DeliveryRateLimited) as caught:
        await adapter.send(ADDRESS, reply("hi"), nonce="1")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, {"code": 50007, "message": "Cannot send messages to this user"}, DeliveryRefused),
        (404, {"code": 10003, "message": "Unknown Channel"}, DeliveryRefused),
        (401, {"code": 0, "message": "401: Unauthorized"}, DeliveryRefused),
        (400, {"code": 50035, "message": "Invalid Form Body"}, DeliveryRefused),
        (503, "<html>upstream</html>", DeliveryUnknown),
    ],
)
async def test_refusals_have_our_names(
    wire: Wire, connect: Connect, status: int, body: Any, expected: type[DeliveryError]
) -> None:
    adapter = await connect()
    wire.fail("POST .*messages", status, body)
    with pytest.raises(expected):
        await adapter.send(ADDRESS, reply("hi"), nonce="1")


async def test_when_discord_is_gone_a_reply_can_be_tried_later(wire: Wire, connect: Connect) -> None:
    adapter = await connect(api_url="http://127.0.0.1:1", start=False)
    with pytest.raises(DeliveryRateLimited):
        await adapter.send(ADDRESS, reply("hi"), nonce="1")


async def test_one_chat_that_discord_holds_up_does_not_hold_up_another(wire: Wire, connect: Connect) -> None:
    adapter = await connect(request_timeout=0.5)
    wire.hang("POST /channels/801/messages")
    stuck = asyncio.create_task(adapter.send(ADDRESS, reply("hi"), nonce="1"))
    other = ReplyAddress(place=Place(PLATFORM, "", "802"), kind=ConversationKind.PRIVATE, recipient="202")
    await adapter.send(other, reply("hello"), nonce="2")
    assert wire.texts("802") == ["hello"]
    assert not stuck.done()
    with pytest.raises(DeliveryUnknown):
        await stuck


async def test_a_file_that_is_gone_is_not_found(wire: Wire, connect: Connect) -> None:
    adapter = await connect()
    file = Attachment("image", "cat.png", "image/png", 7, f"{wire.api_url}/attachments/cat.png")
    with pytest.raises(NotFound):
        await adapter.fetch(file, max_bytes=100)


async def test_the_stop_waits_for_what_is_being_sent(wire: Wire, connect: Connect) -> None:
    adapter = await connect()
    stream = await adapter.open_stream(ADDRESS, turn_id=TurnId("t"), nonce="1")
    sending = asyncio.create_task(adapter.send(ADDRESS, reply("the last word"), nonce="2"))
    await asyncio.sleep(0)
    await adapter.stop()
    await sending
    assert wire.texts() == ["the last word"]
    assert stream.message_ids == ()


async def test_nothing_of_what_is_said_is_logged(
    wire: Wire, desk: Desk, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    adapter = await connect()
    await eventually(wire.connected)
    wire.fail("POST .*messages", 403, {"code": 50007, "message": "no: top secret answer"})
    await wire.direct_message("top secret question")
    await eventually(lambda: bool(desk.messages))
    with pytest.raises(DeliveryRefused):
        await adapter.send(ReplyAddress.of(desk.messages[0]), reply("top secret answer"), nonce="1")
    await wire.event("MESSAGE_CREATE", {"content": "top secret question"})
    await wire.direct_message("last")
    await eventually(lambda: "last" in desk.texts)
    assert "top secret" not in caplog.text
    assert wire.token not in caplog.text


async def test_it_stops_at_any_moment_of_connecting(wire: Wire, connect: Connect) -> None:
    for turns in range(12):
        adapter = await connect()
        for _ in range(4 * turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await adapter.stop()


async def test_the_doctor_finds_nothing_wrong_where_nothing_is(wire: Wire) -> None:
    wire.flags = 1 << 18
    wire.servers = [{"id": "1", "name": "Harbour", "icon": None, "owner": False, "permissions": "0", "features": []}]
    assert await problems(DiscordConfig(wire.token, wire.api_url)) == []
    assert await left_to_do(DiscordConfig(wire.token, wire.api_url)) == []


async def test_the_doctor_names_what_is_missing(wire: Wire) -> None:
    [intent] = await problems(DiscordConfig(wire.token, wire.api_url))
    assert "Message Content Intent" in intent
    [server] = await left_to_do(DiscordConfig(wire.token, wire.api_url))
    assert "client_id=900" in server
    assert await left_to_do(DiscordConfig("x.y.z", wire.api_url)) == []


async def test_the_doctor_tells_a_wrong_token_from_a_discord_out_of_reach(wire: Wire) -> None:
    assert "token" in (await problems(DiscordConfig("x.y.z", wire.api_url)))[0]
    assert "network" in (await problems(DiscordConfig(wire.token, "http://127.0.0.1:1")))[0]


async def test_a_token_that_turns_out_wrong_later_ends_the_trying(
    wire: Wire, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    wire.fail("GET /users/@me", 503)
    wire.fail("GET /users/@me", 401)
    await connect()
    await eventually(lambda: "DISCORD_BOT_TOKEN" in caplog.text)
    assert not wire.identified


async def test_a_bug_in_the_core_costs_one_event_and_no_more(wire: Wire, desk: Desk, connect: Connect) -> None:
    desk.trouble = [ZeroDivisionError()]
    await connect()
    await eventually(wire.connected)
    await wire.direct_message("lost")
    await wire.direct_message("heard")
    await eventually(lambda: desk.texts == ["heard"])


async def test_it_stops_at_once_while_the_store_is_down(wire: Wire, desk: Desk, connect: Connect) -> None:
    desk.trouble = [StoreUnavailable() for _ in range(100)]
    adapter = await connect(retry_pause=30.0)
    await eventually(wire.connected)
    await wire.direct_message("not stored")
    await wire.direct_message("behind it")
    await eventually(lambda: len(desk.trouble) < 100)
    async with asyncio.timeout(3):
        await adapter.stop()
    assert desk.texts == []


async def test_a_thread_begins_with_the_message_that_it_starts_at(wire: Wire, connect: Connect) -> None:
    adapter = await connect()
    root = wire.messages[await wire.direct_message("shall we go by train?", channel_id="700", heard=False)]
    opening = wire.messages[await wire.direct_message("", channel_id="801", heard=False)]
    opening |= {"type": 21, "author": person(202, "bob"), "referenced_message": root}
    opening |= {"message_reference": {"message_id": root["id"], "channel_id": "700"}}
    await wire.direct_message("or by boat", channel_id="801", heard=False)
    assert await adapter.thread_history(ADDRESS, limit=10) == [("ada", "shall we go by train?"), ("ada", "or by boat")]
