"""What people see: every character arrives, in pieces that Telegram takes."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from adapters.markdown.telegram import units
from adapters.platforms.telegram.render import MAYBE_DUPLICATE, keyboard_of, render, render_text
from core.messages import Button, Reply, ReplyKind
from core.types import Audience


def reply(text: str, **fields: Any) -> Reply:
    return Reply(text=text, kind=ReplyKind.ANSWER, audience=Audience.ROOM, **fields)


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.integers(1, 60), st.booleans())
@example("```python\nprint('🦊')\n", 600, True)
@example("🦊" * 10, 500, False)
def test_any_text_becomes_messages_that_telegram_takes(text: str, times: int, is_incognito: bool) -> None:
    for part in render(reply(text * times, badge="🕶 incognito" if is_incognito else "")):
        assert part.text.strip()
        assert units(part.text) <= 4096
        for entity in part.entities:
            assert entity.offset >= 0
            assert entity.length > 0
            assert entity.offset + entity.length <= units(part.text)


def test_a_long_plain_text_arrives_whole_and_unbroken() -> None:
    words = [f"🦊wörd{number}" for number in range(2_000)]
    parts = render_text(" ".join(words))
    assert len(parts) > 4
    assert " ".join(part.text for part in parts).split() == words


def test_what_no_encoder_takes_is_replaced() -> None:
    (part,) = render_text("a \ud800 **b** \udc00")
    assert part.text == "a \ufffd b \ufffd"


def test_no_part_has_more_marks_than_telegram_takes() -> None:
    parts = render(reply("**a** _b_ " * 50, badge="🕶 incognito"))
    assert " ".join(part.text for part in parts).split() == ["a", "b"] * 50 + ["🕶", "incognito"]
    assert all(len(part.entities) <= 100 for part in parts)


def test_a_cut_never_goes_through_an_emoji() -> None:
    parts = render_text("x" + "🦊" * 5_000)
    assert "".join(part.text for part in parts) == "x" + "🦊" * 5_000


def test_code_stays_code_on_both_sides_of_a_cut() -> None:
    parts = render_text("```python\n" + "print('hello')\n" * 500 + "```")
    assert len(parts) > 1
    assert all(part.entities[0].type == "pre" and part.entities[0].language == "python" for part in parts)


def test_an_unclosed_fence_does_not_swallow_the_badge() -> None:
    (part,) = render(reply("```python\nprint(1)", badge="🕶 incognito"))
    code, badge = part.entities
    assert part.text == "print(1)\n\n🕶 incognito"
    assert code.type == "pre"
    assert code.offset + code.length <= badge.offset
    assert badge.type == "italic"


def test_a_full_message_gets_its_badge_in_one_of_its_own() -> None:
    parts = render(reply("x" * 4096, badge="🕶 incognito", maybe_duplicate=True))
    assert [part.text for part in parts] == ["x" * 4096, f"{MAYBE_DUPLICATE} 🕶 incognito"]


def test_an_empty_reply_is_no_message() -> None:
    assert render(reply("")) == []
    assert render(reply(" \n ", badge="🕶 incognito")) == []


def test_buttons_are_under_the_last_part_two_in_a_row() -> None:
    buttons = tuple(Button(f"{number}", f"/forget #{number}") for number in range(5))
    parts = render(reply("x " * 4_000, buttons=buttons))
    keyboards = [part.keyboard for part in parts]
    assert keyboards[:-1] == [None] * (len(parts) - 1)
    assert keyboards[-1] is not None
    assert [len(row) for row in keyboards[-1].inline_keyboard] == [2, 2, 1]
    assert keyboard_of([Button("none", "")]) is None
