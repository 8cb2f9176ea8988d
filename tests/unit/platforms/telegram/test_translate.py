"""Payloads of any shape: nothing is raised, and nothing is heard that was not said."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.telegram.config import Engagement
from adapters.platforms.telegram.translate import BotSelf, chat_of, translate, without_mention
from core.messages import InboundMessage
from tests.e2e.telegram.server import entities_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ME = BotSelf(id=7_000_000_001, username="memory_bot", commands=frozenset({"help"}))

FIELDS = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "chat",
    "from",
    "id",
    "type",
    "text",
    "caption",
    "entities",
    "offset",
    "length",
    "message_id",
    "message_thread_id",
    "is_topic_message",
    "reply_to_message",
    "date",
    "data",
    "photo",
    "voice",
    "document",
    "user",
    "update_id",
    "sticker",
    "migrate_to_chat_id",
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["private", "supergroup", "mention", "bot_command", "text_mention", "@memory_bot", "/help", ""]),
    st.text(st.characters(), max_size=8),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8)),
    max_leaves=40,
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_no_payload_raises(update: dict[str, object]) -> None:
    translate(update, ME, NOON)
    chat_of(update)


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    st.text(st.characters(), max_size=30),
    st.sampled_from(["private", "group", "channel", "moon"]),
)
def test_no_message_around_broken_fields_raises(broken: dict[str, object], text: str, kind: str) -> None:
    message = {
        "message_id": 5,
        "date": 1,
        "text": text,
        "chat": {"id": 9, "type": kind},
        "from": {"id": 9, "first_name": "A"},
        **broken,
    }
    translate({"update_id": 1, "message": message}, ME, NOON)


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
def test_only_the_name_is_taken_out(before: str, after: str) -> None:
    text = f"{before} @memory_bot {after}"
    entity = {"type": "mention", "offset": len(f"{before} ".encode("utf-16-le")) // 2, "length": 11}
    left = without_mention(text, [entity], ME)
    assert left.split() == f"{before} {after}".split()


def test_the_name_goes_wherever_it_stands() -> None:
    for said, meant in (
        ("@memory_bot, hello", "hello"),
        ("hello @memory_bot", "hello"),
        ("hello @memory_bot!", "hello !"),
        ("@memory_bot @Memory_Bot twice", "twice"),
        ("/help@memory_bot forget", "/help forget"),
        ("@memory_bot /help", "/help"),
        ("@memory_botany is a word", "@memory_botany is a word"),
    ):
        assert without_mention(said, entities_of(said), ME) == meant


def in_group(text: str, engagement: Engagement = Engagement.MENTION) -> InboundMessage:
    update = {
        "message": {
            "message_id": 5,
            "date": 1,
            "text": text,
            "entities": entities_of(text),
            "chat": {"id": -9, "type": "supergroup"},
            "from": {"id": 8, "username": "ben"},
        }
    }
    me = BotSelf(ME.id, ME.username, ME.commands, engagement)
    event = translate(update, me, NOON)
    assert isinstance(event, InboundMessage)
    return event


def test_a_group_without_a_name_keeps_its_commands_apart() -> None:
    assert in_group("/HELP").addressed
    assert not in_group("/roll").addressed
    assert not in_group("/help@other_bot", Engagement.ALL).addressed
    assert in_group("/help@MEMORY_BOT").addressed
    assert not in_group("/help@memory_bot", Engagement.OFF).addressed
    assert in_group("just talk", Engagement.ALL).addressed
    assert in_group("no first name").sender.display_name == "ben"


def test_start_in_a_group_opens_nothing() -> None:
    assert in_group("/start@memory_bot payload").text == "/start payload"
    assert in_group("/start@memory_bot payload").handle == ""
