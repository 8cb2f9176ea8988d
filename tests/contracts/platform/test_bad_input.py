"""What goes wrong in one chat: it is told in a sentence or made up for, and nobody else notices anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from core.media import TOO_LARGE
from core.policy import EnginePolicy
from core.types import OutboxState
from tests.contracts.platform import trouble
from tests.contracts.platform.chats import CHATS, Chat, DiscordChat, opened
from tests.support.polling import eventually

LABEL = "may be a duplicate"
BROKEN = {
    "nothing closed": "**bold _under `code [link](http://example.org ~~gone ||spoiler <b>html",
    "an open fence": "```python\nprint(1)\n\n| a | b |\n|---",
    "quotes in quotes": "> " * 400 + "deep",
    "stars": "*" * 1_500 + "middle" + "_" * 1_500,
    "every bracket": "[" * 700 + "]" * 700 + "(" * 700,
    "controls": "a\x01b\u202eright to left\u2066 \ud83d lone",
    "pings": "@everyone @here <!channel> <@U0ANNA> <@1234> <@&5> @memory_bot tg://user?id=1",
    "an emoji": "👩‍👩‍👧‍👦" * 900,
    "a mark up of entities": "&lt;&amp;&#60; <!-- --> <script>x</script>",
}


@pytest.fixture(params=[name for name in CHATS if name != "console"])
async def chat(request: pytest.FixtureRequest, tmp_path: Path, embedder: OnnxEmbedder) -> AsyncIterator[Chat]:
    policy = EnginePolicy(takes_images=True, delivery_wait=5.0)
    async with opened(request.param, tmp_path, embedder, in_fixture=True, policy=policy) as chat:
        yield chat


async def test_a_message_of_only_the_bots_name_is_answered(chat: Chat) -> None:
    await trouble.calls_in_the_room(chat)
    await eventually(lambda: any("I am here" in text for text in (*chat.in_room(), *chat.alone())))


@pytest.mark.parametrize("text", ["👋", "❤️", "🏳️‍🌈", "?", "．"])
async def test_a_message_of_one_sign_is_answered(chat: Chat, text: str) -> None:
    await chat.asks("hello")
    assert f"You said: {text}" in await chat.asks(text)


async def test_a_file_that_is_too_large_is_refused_and_the_words_beside_it_are_answered(chat: Chat) -> None:
    await chat.asks("hello")
    known = len(chat.heard)
    await trouble.sends_a_large_picture(chat, "what do you see?")
    await eventually(lambda: len(chat.heard) > known)
    await chat.settled()
    shown = "\n".join(chat.visible())
    assert TOO_LARGE in shown
    assert "what do you see?" in shown


@pytest.mark.parametrize("name", BROKEN)
async def test_a_reply_that_breaks_parsers_still_arrives(chat: Chat, name: str) -> None:
    await chat.asks("hello")
    before = len(chat.visible())
    chat.model.answer = lambda _: f"begin {BROKEN[name]}\n\nend"
    await chat.asks("now something difficult")
    shown = "\n".join(chat.visible()[before:])
    assert "begin" in shown
    assert "end" in shown
    assert all(len(part) <= chat.adapter.capabilities.max_characters for part in chat.visible())
    chat.model.answer = lambda text: f"You said: {text}"
    assert "You said: and then?" in await chat.asks("and then?")


async def test_who_closes_the_door_stops_nobody_else(chat: Chat) -> None:
    await chat.asks("hello")
    chat.model.gate.clear()
    calls = len(chat.model.calls)
    await chat.say("are you writing?")
    await eventually(lambda: len(chat.model.calls) > calls)
    trouble.closes_the_door(chat)
    await trouble.ben_says(chat, "hello from ben")
    chat.model.gate.set()
    await eventually(lambda: any("hello from ben" in text for text in trouble.ben_sees(chat)))
    await chat.settled()
    assert OutboxState.FAILED in _outbox_states(chat)


async def test_a_limit_of_minutes_delays_one_chat_and_loses_nothing(chat: Chat) -> None:
    await chat.asks("hello")
    trouble.limits(chat)
    known = len(chat.heard)
    await chat.say("this one has to wait")
    await eventually(lambda: len(chat.heard) > known)
    await chat.settled()
    await trouble.ben_says(chat, "hello from ben")
    await eventually(lambda: any("hello from ben" in text for text in trouble.ben_sees(chat)))
    await chat.settled()
    assert not any("has to wait" in text for text in chat.visible())
    await trouble.five_minutes_pass(chat)
    answers = [text for text in chat.visible() if "has to wait" in text]
    assert len(answers) == 1
    assert LABEL not in answers[0], "it certainly did not arrive before"


async def test_a_part_that_may_have_arrived_twice_says_so(chat: Chat) -> None:
    if isinstance(chat, DiscordChat):
        pytest.skip("Discord knows a second try by its nonce: tests/e2e/discord/test_connecting.py")
    await chat.asks("hello")
    before = len(chat.visible())
    chat.model.answer = lambda _: "\n\n".join(f"Paragraph {number}: " + "word " * 150 for number in range(30))
    await trouble.loses_an_acknowledgement(chat)
    await chat.asks("tell me everything")
    shown = chat.visible()[before:]
    assert LABEL in shown[-1]
    assert all(any(f"Paragraph {number}:" in text for text in shown) for number in range(30))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, '{"ok": false, "error_code": 404, "description": "Not Found"}'),
        (404, "<html>404: Not Found</html>"),
        (501, "Not implemented"),
        (200, '{"ok": false, "error": "unknown_method"}'),
        (200, "ok"),
    ],
)
@pytest.mark.parametrize("name", [name for name in CHATS if name != "console"])
async def test_a_server_that_lacks_what_is_not_needed_will_do(
    name: str, status: int, body: str, tmp_path: Path, embedder: OnnxEmbedder
) -> None:
    lacking = partial(trouble.lacks_the_extras, status=status, body=body)
    if name == "discord" and status == 200:
        pytest.skip("the simulated Discord fails with a status only")
    async with opened(name, tmp_path, embedder, before=lacking) as chat:
        chat.model.answer = lambda text: f"You said: {text}" + " and more" * 40
        assert "You said: hello" in await chat.asks("hello")
        await chat.command_in_room("/help")
        await eventually(lambda: any("/incognito" in text for text in (*chat.in_room(), *chat.alone())))
        await chat.asks("my dog is called Rex")
        await chat.asks("/forget all")
        await chat.press("Forget all")
        await eventually(lambda: any("Forgotten" in text for text in chat.visible()))


def _outbox_states(chat: Chat) -> list[OutboxState]:
    return [row.state for row in chat.town.store._tables.outbox.values()]
