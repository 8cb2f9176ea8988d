"""Whatever arrives from Slack is understood or left alone, never an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.slack.config import Engagement
from adapters.platforms.slack.translate import BotSelf, may_join, mentioned, plain_text, translate, with_names
from core.messages import InboundMessage, MessageEdited

ME = BotSelf("T1", "U0BOT", "B0BOT")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

FIELDS = [
    "type",
    "subtype",
    "channel",
    "channel_type",
    "user",
    "ts",
    "text",
    "thread_ts",
    "bot_id",
    "files",
    "message",
    "previous_message",
    "deleted_ts",
    "edited",
    "hidden",
    "command",
    "channel_id",
    "user_id",
    "actions",
    "container",
    "value",
    "action_ts",
    "event",
    "team",
    "response_url",
    "trigger_id",
]
VALUES = (
    "message",
    "app_mention",
    "message_changed",
    "message_deleted",
    "block_actions",
    "tombstone",
    "im",
    "/x",
    "D1",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)


@given(bodies)
def test_a_payload_of_any_shape_is_no_error(body: dict[str, Any]) -> None:
    event = translate(body, ME, NOON)
    assert event is None or event.event_key


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8))
def test_a_message_of_any_shape_is_no_error(event: dict[str, Any]) -> None:
    shaped = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "ts": "1.0", **event}
    told = translate({"event": shaped}, ME, NOON)
    if isinstance(told, InboundMessage | MessageEdited):
        assert told.sender.external_id not in ("", ME.user_id)


@given(st.text())
def test_any_text_is_readable(text: str) -> None:
    assert f"<@{ME.user_id}>" not in plain_text(f"<@{ME.user_id}> {text}", ME)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_slack_escapes_comes_back_as_typed(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert plain_text(escaped, ME) == text.strip()


def channel_message(text: str, me: BotSelf = ME, **more: str) -> InboundMessage | None:
    event = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "ts": "2.0", "text": text}
    told = translate({"event": {**event, **more}}, me, NOON)
    assert told is None or isinstance(told, InboundMessage)
    return told


def test_a_thread_may_be_joined_unless_somebody_else_is_called() -> None:
    for text, thread, expected in (
        ("and tea?", "1.0", True),
        ("and tea?", "", False),
        ("<@U2> and tea?", "1.0", False),
        ("what about <@U2>?", "1.0", True),
    ):
        message = channel_message(text, thread_ts=thread)
        assert message is not None
        assert may_join(message) is expected


def test_engagement_decides_about_rooms() -> None:
    everything = channel_message("lunch?", BotSelf("T1", "U0BOT", "B0BOT", Engagement.ALL))
    assert everything is not None
    assert everything.addressed
    assert channel_message("<@U0BOT> lunch?", BotSelf("T1", "U0BOT", "B0BOT", Engagement.OFF)) is None


def test_people_are_called_by_their_names() -> None:
    text = "ask @U024BE7LH and @W1234567, not mail@USA.example or @UNKNOWN9"
    assert mentioned("@U2AA @U1AA @U2AA") == ["U2AA", "U1AA"]
    assert with_names(text, {"U024BE7LH": "Ada", "W1234567": "Карл"}) == (
        "ask @Ada and @Карл, not mail@USA.example or @UNKNOWN9"
    )


def test_the_payload_is_in_no_repr() -> None:
    message = channel_message("<@U0BOT> hi", secret="4711")
    assert "4711" not in repr(message)
