"""Replies as Slack messages, and what is kept in memory about a workspace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.slack.outbound import INTERACTION_USES, Interactions
from adapters.platforms.slack.render import FALLBACK, render_preview, render_reply
from adapters.platforms.slack.workspace import Cache
from core.messages import Button, Reply, ReplyKind
from core.types import Audience


def reply(text: str, **more: object) -> Reply:
    return Reply(text=text, kind=ReplyKind.ANSWER, audience=Audience.ROOM, **more)  # type: ignore[arg-type]  # by name


def test_many_buttons_stand_in_rows_that_slack_takes() -> None:
    buttons = tuple(Button(f"Profile {number} " + "x" * 100, f"/profile use {number}") for number in range(30))
    (message,) = render_reply(reply("Which one?", buttons=buttons))
    rows = [block for block in message.blocks if block["type"] == "actions"]
    assert [len(row["elements"]) for row in rows] == [25, 5]
    elements = [element for row in rows for element in row["elements"]]
    assert len({element["action_id"] for element in elements}) == 30
    assert all(len(element["text"]["text"]) <= 75 for element in elements)
    assert elements[29]["value"] == "/profile use 29"


def test_a_dangerous_button_looks_dangerous() -> None:
    (message,) = render_reply(reply("Sure?", buttons=(Button("Erase", "/confirm x", danger=True), Button("No", "/no"))))
    erase, no = message.blocks[1]["elements"]
    assert erase["style"] == "danger"
    assert "style" not in no


def test_notifications_have_a_text_of_bounded_size() -> None:
    (message,) = render_reply(reply("word " * 2_000, badge="🕶"))
    assert len(message.fallback) <= FALLBACK + 2
    assert message.fallback.endswith("…\n🕶")


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_reply_is_still_a_message_that_slack_takes(text: str) -> None:
    (message,) = render_reply(reply(text, badge="🕶"))
    assert [block["type"] for block in message.blocks] == ["context"]
    assert message.fallback == "🕶"


@given(st.text(min_size=1), st.integers(min_value=0))
def test_a_growing_text_never_shows_a_mention(text: str, end: int) -> None:
    shown = render_preview(text[: end % len(text) + 1])
    assert not any(shown.endswith(cut) for cut in ("<", "<@", "<!", "@"))
    assert "<@U" not in shown


def test_an_interaction_works_five_times() -> None:
    interactions = Interactions()
    interactions.open("h", "https://hooks.example")
    assert [bool(interactions.take("h")) for _ in range(INTERACTION_USES + 1)] == [True] * INTERACTION_USES + [False]
    interactions.open("h", "https://hooks.example")
    interactions.close("h")
    assert interactions.take("h") == ""
    assert interactions.take("never opened") == ""


def test_a_cache_forgets_what_is_old_or_too_much() -> None:
    cache: Cache[int] = Cache(seconds=60, size=2)
    for number in (1, 2, 3):
        cache.put(number, number)
    assert [cache.get(number) for number in (1, 2, 3)] == [None, 2, 3]
    cache.put(3, 4, seconds=0)
    assert cache.get(3) is None
