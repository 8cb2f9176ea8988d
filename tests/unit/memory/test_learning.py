"""What is worth a memory, and what a model's answer must look like."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedAnswer
from core.learning import parse_learning_answer, text_key
from core.secrecy import holds_secret


@given(st.text())
def test_a_text_key_does_not_depend_on_case_or_blanks(text: str) -> None:
    assert text_key(f"  {text}  ") == text_key(text)
    assert text_key(text_key(text)) == text_key(text)


def fact(text: object = "I like tea", turns: object = (1,), replaces: object = ()) -> dict[str, object]:
    return {"text": text, "turns": turns, "replaces": replaces}


def answer(*facts: object) -> str:
    return json.dumps({"facts": facts})


def test_a_sound_answer_gives_positions() -> None:
    [learned] = parse_learning_answer(answer(fact("I  like\ntea", [2, 1, 2], [3])), 2, 3)
    assert (learned.text, learned.turns, learned.replaces) == ("I like tea", (1, 0), (2,))
    assert parse_learning_answer('{"facts": []}', 1, 0) == []
    assert len(parse_learning_answer(f"```json\n{answer(fact())}\n```", 1, 0)) == 1


def test_doubles_secrets_and_questions_are_left_out() -> None:
    facts = [
        fact("I like tea"),
        fact("i like TEA."),
        fact("What is tea?"),
        fact("The wifi password is hunter2"),
        fact(" "),
    ]
    assert [one.text for one in parse_learning_answer(answer(*facts), 1, 0)] == ["I like tea"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The dog is called Rex.",
        "[]",
        "null",
        '{"fact": []}',
        '{"facts": {}}',
        '{"facts": ["I like tea"]}',
        answer(fact(text=3)),
        answer(fact(text="")),
        answer(fact(text="x" * 501)),
        answer(fact(turns=[])),
        answer(fact(turns=["1"])),
        answer(fact(turns=[0])),
        answer(fact(turns=[2])),
        answer(fact(replaces=[1])),
        answer(fact(replaces=[-1])),
        '{"facts": [',
    ],
)
def test_any_other_answer_is_malformed(text: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_learning_answer(text, 1, 0)


@given(st.text())
def test_no_answer_breaks_the_parser(text: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_learning_answer(text, 3, 3)


def luhn_digit(digits: str) -> str:
    total = sum(
        (int(digit) * 2 - 9 * (int(digit) > 4)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(digits[::-1])
    )
    return str(-total % 10)


@given(st.text("0123456789", min_size=14, max_size=14), st.sampled_from(["", " ", "-"]))
def test_a_card_number_is_seen_and_one_wrong_digit_is_not_one(body: str, separator: str) -> None:
    number = f"4{body}"
    right, wrong = luhn_digit(number), str((int(luhn_digit(number)) + 1) % 10)
    for last, expected in ((right, True), (wrong, False)):
        shown = separator.join([(number + last)[place : place + 4] for place in range(0, 16, 4)])
        assert holds_secret(f"here you go: {shown} thanks") is expected


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghij1234567890",
        "the token is ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "xoxb-1234567890-abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----",
        "use 3f9c2a7be11d4d0a9be1c7d2f5e8a6b4c1d0",
        "my pin is 4711",
        "My PIN code is 1234",
        "your verification code: 123456",
        "482913 is your login code 2FA",
        "my password is hunter2",
        "password: correct-horse",
        "mi contraseña es gato123",
        "Mein Passwort lautet geheim",
        "mon mot de passe est chaton",
        "мой пароль qwerty123",
        "我的密码是abc123",
        "您的验证码 884422",
    ],
)
def test_secrets_are_seen(text: str) -> None:
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "I forgot my password",
        "I changed my password yesterday",
        "My password is too long",
        "My order number is 8812341234",
        "Flight LH1234 at 10:45 on 2026-03-04",
        "call me at 0049 170 1234567",
        "my bowling pin broke at age 12",
        "I pinned 4 recipes",
        "my id is 123e4567-e89b-42d3-a456-426614174000",
        "https://example.com/a/very/long/path/with/segments12345678901234",
        "Donaudampfschifffahrtsgesellschaft",
    ],
)
def test_ordinary_talk_is_no_secret(text: str) -> None:
    assert not holds_secret(text)


@given(st.text())
def test_any_text_can_be_searched_for_secrets(text: str) -> None:
    assert holds_secret(text) in (True, False)
