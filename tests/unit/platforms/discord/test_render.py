"""What people see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.markdown.discord import LIMIT
from adapters.platforms.discord.buttons import MAX_ID, PREFIX, CommandButton, view_of
from adapters.platforms.discord.render import MAX_BUTTONS, MAX_LABEL, Part, nonce_of, render, render_text
from core.messages import Button, OutboundFile, Reply, ReplyKind
from core.types import Audience


def reply(text: str, **fields: object) -> Reply:
    return Reply(text=text, kind=ReplyKind.ANSWER, audience=Audience.ROOM, **fields)  # type: ignore[arg-type]  # as given


def test_badge_and_label_are_a_small_last_line() -> None:
    assert render(reply("Hi", badge="🔒 incognito")) == [Part("Hi\n-# 🔒 incognito")]
    assert render(reply("Hi", maybe_duplicate=True)) == [Part("Hi\n-# (may be a duplicate)")]


def test_a_last_line_that_does_not_fit_is_a_message_of_its_own() -> None:
    assert render(reply("a" * LIMIT, badge="🔒 incognito")) == [Part("a" * LIMIT), Part("-# 🔒 incognito")]


def test_buttons_stand_under_the_last_text_and_files_after_it() -> None:
    button = Button("Yes", "/confirm")
    file = OutboundFile("a.json", "application/json", b"{}")
    parts = render(reply("word " * 500, buttons=(button,), files=(file,)))
    assert [part.buttons for part in parts] == [(), (button,), ()]
    assert parts[-1] == Part("", file=file)


def test_an_empty_reply_has_no_messages() -> None:
    assert render(reply("  ", badge="🔒", buttons=(Button("Yes", "/yes"),))) == []


def test_labels_and_rows_stay_within_what_discord_takes() -> None:
    many = tuple(Button("x" * 200, f"/forget {number}") for number in range(40))
    [part] = render(reply("Which?", buttons=(Button("", "/empty"), *many)))
    assert len(part.buttons) == MAX_BUTTONS
    assert part.buttons[0].label == "…"
    assert all(len(button.label) <= MAX_LABEL for button in part.buttons)


async def test_a_command_too_long_for_a_button_has_none() -> None:
    assert view_of([Button("no", ""), Button("long", "/" + "x" * MAX_ID)]) is None
    view = view_of([Button("ok", "/" + "x" * 59, danger=True)])
    assert view is not None
    [item] = view.children
    assert isinstance(item, CommandButton)
    assert item.custom_id == f"{PREFIX}/{'x' * 59}"
    assert view.is_persistent()


@given(st.text(max_size=40), st.integers(0, 50))
def test_a_nonce_is_short_and_its_own(nonce: str, position: int) -> None:
    found = nonce_of(nonce, position)
    assert len(found) <= 25
    assert found == nonce_of(nonce, position)
    assert len({found, nonce_of(nonce, position + 1), nonce_of(nonce, position, "again")}) == 3


@given(st.text(alphabet=st.characters(codec=None), max_size=5_000))
def test_any_text_can_be_sent(text: str) -> None:
    for part in render_text(text):
        assert part.content.strip()
        assert len(part.content.encode("utf-16-le")) // 2 <= LIMIT


@pytest.mark.parametrize("text", ["@everyone", "@here", "<@123>", "<@!123>", "<@&123>"])
def test_no_text_looks_like_a_ping(text: str) -> None:
    assert text not in render_text(f"hello {text}!")[0].content
