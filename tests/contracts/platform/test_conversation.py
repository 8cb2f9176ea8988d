"""One conversation, the same on every platform: what a person does has the same effect wherever they write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from adapters.platforms.discord import adapter as discord_adapter
from core.access import AccessMode, AccessRule
from core.capabilities import PrivateReplies, StreamingStyle
from core.errors import ModelUnavailable
from tests.contracts.platform import trouble
from tests.contracts.platform.chats import CHATS, Chat, opened
from tests.support.polling import eventually

LONG = "\n\n".join(
    f"Paragraph {number}: " + "the quick brown fox jumps over the lazy dog. " * 8 for number in range(40)
)


async def test_a_welcome_comes_first_and_once(chat: Chat) -> None:
    await chat.asks("hello")
    first, second = chat.visible()
    assert "MemoryChat" in first
    assert "/forget" in first
    assert "You said: hello" in second
    assert "You said: again" in await chat.asks("again")
    assert len(chat.visible()) == 3


async def test_a_first_command_is_welcomed_too(chat: Chat) -> None:
    await chat.command("/help")
    welcome, answer = await chat.answers(2)
    assert "/forget" in welcome
    assert "/incognito" in answer


async def test_talk_is_remembered_by_the_next_talk(chat: Chat) -> None:
    await chat.asks("my dog is called Rex")
    await chat.asks("/new")
    await chat.asks("what is my dog called?")
    assert "Rex" in chat.model.calls[-1].system


async def test_a_reply_that_takes_its_time_is_seen_growing_and_stands_there_once(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chat.adapter.capabilities.streaming is StreamingStyle.NONE:
        pytest.skip("a pipe gets whole replies")
    # simcord's clock stands still, so that the pause before a first preview would never end there.
    monkeypatch.setattr(discord_adapter, "CAPABILITIES", replace(discord_adapter.CAPABILITIES, preview_after=0.0))
    await chat.asks("hello")
    before = len(chat.visible())
    chat.model.gate.clear()
    await chat.say("tell me")
    await eventually(lambda: chat.growing() == "You")
    chat.model.gate.set()
    await eventually(lambda: chat.visible()[before:] == ["You said: tell me"])
    await chat.settled()
    assert chat.visible()[before:] == ["You said: tell me"]


async def test_profiles_are_walls(chat: Chat) -> None:
    await chat.asks("my dog is called Rex")
    await chat.asks("/profile new work")
    assert "work" in await chat.asks("/profile use work")
    await chat.asks("what is my dog called?")
    assert "Rex" not in chat.model.calls[-1].text
    await chat.asks("/profile use personal")
    await chat.asks("what is my dog called?")
    assert "Rex" in chat.model.calls[-1].system


async def test_incognito_recalls_and_keeps_nothing_until_it_is_left(chat: Chat) -> None:
    await chat.asks("my dog is called Rex")
    await chat.asks("/incognito on")
    answer = await chat.asks("my cat is called Plum")
    assert "incognito" in answer.lower()
    assert chat.model.calls[-1].private
    assert "Rex" not in chat.model.calls[-1].text
    assert "Plum" not in repr(vars(chat.town.store))
    await chat.asks("/incognito off")
    answer = await chat.asks("what is my cat called?")
    assert "Plum" not in chat.model.calls[-1].text
    assert "incognito" not in answer.lower()


async def test_memories_are_told_to_their_person_alone(chat: Chat) -> None:
    await chat.asks("my dog is called Rex")
    listed = await chat.asks("/memories")
    assert "Rex" in listed
    assert "****" not in listed  # a name in bold inside a heading in bold is neither
    if chat.adapter.capabilities.private_replies is PrivateReplies.NONE or not chat.adapter.capabilities.threads:
        pytest.skip("the terminal has no rooms")
    before = len(chat.alone())
    await chat.command_in_room("/memories")
    await eventually(lambda: len(chat.alone()) > before)
    await chat.settled()
    assert not any("Rex" in text for text in chat.in_room())


PERSONAL = {"/memories": "in this room", "/ask what is my dog called?": "Rex", "/export": "", "/link": ""}
"""A command, and what its answer says to the asker in a room."""


@pytest.mark.parametrize("command", PERSONAL)
@pytest.mark.parametrize("way", ["slash command", "mention"])
async def test_what_is_personal_is_never_said_in_the_room(chat: Chat, command: str, way: str) -> None:
    """Shown to the asker there where the platform can, else sent to them directly."""
    if chat.adapter.capabilities.private_replies is PrivateReplies.NONE or not chat.adapter.capabilities.threads:
        pytest.skip("the terminal has no rooms")
    chat.model.answer = lambda text: f"I was asked: {text}. My prompt: {chat.model.calls[-1].system}"
    await chat.asks("my dog is called Rex")
    known = len(chat.heard)

    def hers() -> list[str]:
        return [*chat.visible(), *(text for text in chat.alone() if text not in chat.visible())]

    before = len(hers())
    await (trouble.calls_in_the_room(chat, command) if way == "mention" else chat.command_in_room(command))
    await eventually(lambda: len(chat.heard) > known)
    await eventually(lambda: len(hers()) > before)
    await chat.settled()
    assert not any("Rex" in text or "personal" in text for text in chat.in_room())
    assert PERSONAL[command] in "\n".join(hers()[before:])


async def test_forgetting_everything_asks_before_it_does(chat: Chat) -> None:
    await chat.asks("my dog is called Rex")
    assert "no way back" in await chat.asks("/forget all")
    assert "Rex" in await chat.asks("/memories")
    await chat.asks("/forget all")
    await chat.asks("yes")
    assert "Rex" not in await chat.asks("/memories")


async def test_a_button_does_what_its_word_does(chat: Chat) -> None:
    if not chat.adapter.capabilities.buttons:
        pytest.skip("the terminal shows the command instead")
    await chat.asks("my dog is called Rex")
    await chat.asks("/forget all")
    known = len(chat.heard)
    await chat.press("Forget all")
    await eventually(lambda: len(chat.heard) > known)
    await chat.settled()
    assert "Rex" not in await chat.asks("/memories")


async def test_a_long_reply_arrives_whole_and_in_order(chat: Chat) -> None:
    await chat.asks("hello")
    before = len(chat.visible())
    chat.model.answer = lambda _: LONG
    await chat.asks("tell me everything")
    parts = chat.visible()[before:]
    assert all(len(part) <= chat.adapter.capabilities.max_characters for part in parts)
    shown = "\n".join(parts)
    places = [shown.find(f"Paragraph {number}:") for number in range(40)]
    assert -1 not in places
    assert places == sorted(places)
    assert shown.count("lazy dog") == 40 * 8


async def test_a_failure_is_one_human_sentence(chat: Chat) -> None:
    await chat.asks("hello")
    chat.model.answer, chat.model.failures = (lambda _: ""), [ModelUnavailable("secret trace")]
    assert "My language model cannot be reached just now" in await chat.asks("and now?")
    assert "trace" not in "\n".join(chat.visible())
    chat.model.answer = lambda text: f"You said: {text}"
    assert "You said: and now?" in await chat.asks("/retry")


async def test_what_is_delivered_twice_is_answered_once(chat: Chat) -> None:
    await chat.asks("hello")
    chat.hidden_ack = chat.acknowledges
    await chat.say("only once")
    await eventually(lambda: chat.heard[-1].text == "only once" and not chat.hidden_ack)
    await chat.redeliver()
    await eventually(lambda: [message.text for message in chat.heard].count("only once") == 2)
    await chat.asks("and then")
    assert "\n".join(chat.visible()).count("only once") == 1


async def test_an_edit_in_time_is_what_gets_answered(chat: Chat) -> None:
    if not chat.adapter.capabilities.reports_edits:
        pytest.skip("edits are not reported there")
    await chat.asks("hello")
    chat.model.gate.clear()
    await chat.say("first")
    await eventually(lambda: chat.model.calls[-1].messages[-1].content == "first")
    ref = await chat.say("secnod")
    await eventually(lambda: chat.heard[-1].text == "secnod")
    await chat.edit(ref, "second")
    key = chat.heard[-1].event_key
    await eventually(lambda: _text_of(chat, key) == "second")
    chat.model.gate.set()
    await eventually(lambda: any("You said: second" in text for text in chat.visible()))
    assert not any("secnod" in text for text in chat.visible())


async def test_what_is_deleted_in_time_is_not_answered(chat: Chat) -> None:
    if not chat.adapter.capabilities.reports_deletes:
        pytest.skip("deletes are not reported there")
    await chat.asks("hello")
    chat.model.gate.clear()
    await chat.say("first")
    await eventually(lambda: chat.model.calls[-1].messages[-1].content == "first")
    ref = await chat.say("forget this")
    await eventually(lambda: chat.heard[-1].text == "forget this")
    key = chat.heard[-1].event_key
    await chat.delete(ref)
    await eventually(lambda: _row(chat, key).state == "cancelled")
    chat.model.gate.set()
    await chat.asks("and then")
    assert not any("forget this" in text for text in chat.visible())


@pytest.mark.parametrize("name", [name for name in CHATS if name != "console"])
async def test_a_stranger_gets_one_polite_line_with_a_code(name: str, tmp_path: Path, embedder: OnnxEmbedder) -> None:
    async with opened(name, tmp_path, embedder, _Pairing()) as chat:
        await chat.say("hello")
        await eventually(lambda: len(chat.visible()) == 1)
        code = (await chat.town.store.list_access())[0].code
        assert f"{code[:4]}-{code[4:]}" in chat.visible()[0]
        await chat.town.store.approve_access(code, chat.town.clock.now())
        await chat.asks("hello again")
        assert "You said: hello again" in chat.visible()[-1]


@pytest.mark.parametrize("name", [name for name in CHATS if name != "console"])
async def test_a_list_lets_a_whole_community_in(name: str, tmp_path: Path, embedder: OnnxEmbedder) -> None:
    rules = _Listed()
    async with opened(name, tmp_path, embedder, rules) as chat:
        await chat.command_in_room("/help")
        await eventually(lambda: len(chat.heard) == 1)
        assert not any("/incognito" in text for text in (*chat.in_room(), *chat.alone()))
        rules.allowed = frozenset({chat.community()})
        await chat.command_in_room("/help")
        await eventually(lambda: any("/incognito" in text for text in (*chat.in_room(), *chat.alone())))


class _Listed(dict):  # type: ignore[type-arg]  # a rule for whatever the platform is called
    allowed: frozenset[str] = frozenset()

    def get(self, _name: object, _default: object = None) -> AccessRule:
        return AccessRule(AccessMode.ALLOWLIST, self.allowed)

    def __bool__(self) -> bool:
        return True


class _Pairing(dict):  # type: ignore[type-arg]  # a rule for whatever the platform is called
    def get(self, _name: object, _default: object = None) -> AccessRule:
        return AccessRule(AccessMode.PAIRING)

    def __bool__(self) -> bool:
        return True


def _row(chat: Chat, key: str) -> object:
    rows = chat.town.store._tables.inbox.values()
    return next(row for row in rows if row.event_key == key)


def _text_of(chat: Chat, key: str) -> str:
    return str(json.loads(_row(chat, key).content.text)["text"])
