"""Lines become messages and replies become text that a terminal cannot be harmed by."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.console.translate import (
    INTERACTIVE,
    PIPED,
    decode_line,
    markdown_of,
    message_of,
    piped_text,
    printable,
)
from core.capabilities import StreamingStyle
from core.messages import Button, Reply, ReplyKind
from core.types import Audience, ConversationKind, PrivacyMode

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_line_is_a_private_message_of_the_person_at_this_machine() -> None:
    message = message_of("hello", event_id="e1", sent_at=NOW, display_name="Ann")
    assert (message.text, message.event_id, message.message_id, message.sent_at) == ("hello", "e1", "e1", NOW)
    assert (message.kind, message.audience, message.addressed) == (ConversationKind.PRIVATE, Audience.ASKER, True)
    assert message.sender.display_name == "Ann"
    assert message.event_key != message_of("hello", event_id="e2", sent_at=NOW).event_key


def test_the_operator_needs_no_access_check_and_only_a_prompt_shows_the_mode() -> None:
    assert INTERACTIVE.trusted_local
    assert PIPED.trusted_local
    assert (INTERACTIVE.shows_mode, PIPED.shows_mode) == (True, False)
    assert (INTERACTIVE.streaming, PIPED.streaming) == (StreamingStyle.NATIVE, StreamingStyle.NONE)


def test_broken_bytes_are_replaced_and_nul_is_removed() -> None:
    assert decode_line(b"a\xff\xfe\x00b\r\n") == "a\ufffd\ufffdb"
    assert decode_line("ümläut 🎈 שלום".encode()) == "ümläut 🎈 שלום"


@given(st.binary(max_size=200))
def test_any_line_of_bytes_becomes_a_message_that_can_be_stored(data: bytes) -> None:
    text = message_of(decode_line(data), event_id="e", sent_at=NOW).text
    assert "\x00" not in text
    assert text.encode("utf-8").decode("utf-8") == text


@given(st.text(st.characters(), max_size=200))
def test_whatever_is_typed_or_replied_cannot_move_the_cursor(text: str) -> None:
    typed = message_of(text, event_id="e", sent_at=NOW).text
    shown = printable(text)
    assert typed.encode("utf-8") or not text.strip("\x00")
    assert not CONTROL.search(shown)
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_a_piped_reply_carries_its_buttons_badge_and_label() -> None:
    reply = Reply(
        text="Delete **it**?",
        kind=ReplyKind.COMMAND,
        audience=Audience.ASKER,
        mode=PrivacyMode.INCOGNITO,
        badge="🕶 incognito",
        buttons=(Button("Delete", "/confirm x1", danger=True), Button("Keep", "/cancel x1")),
    )
    assert piped_text(reply) == "Delete **it**?\n\n/confirm x1  Delete\n/cancel x1  Keep\n\n[🕶 incognito]"
    assert piped_text(replace(reply, buttons=(Button("Forget 1", "/forget #1f"),), badge="")) == "Delete **it**?"
    plain = Reply(text="\nhi\n", kind=ReplyKind.ANSWER, audience=Audience.ASKER, maybe_duplicate=True)
    assert markdown_of(plain) == "hi\n\n_(may be a duplicate)_"
