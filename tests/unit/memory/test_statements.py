"""What of a message is worth a memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.secrecy import holds_secret
from core.speech import is_personal, is_trivial
from core.statements import MAX_RECENT, asks, questions, recent_memories, statements

ROWS = [
    (line[0] == "+", line[2:])
    for line in (Path(__file__).parent / "data/statements.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
TELLING = [text for tells, text in ROWS if tells]
NOT_TELLING = [text for tells, text in ROWS if not tells]


@pytest.mark.parametrize("text", TELLING)
def test_a_statement_is_kept_whole(text: str) -> None:
    assert " ".join(statements(text)) == text


@pytest.mark.parametrize("text", [*NOT_TELLING, "", "   "])
def test_questions_orders_and_small_talk_tell_nothing(text: str) -> None:
    assert statements(text) == ()


@pytest.mark.parametrize("text", TELLING)
def test_nothing_that_is_told_counts_as_a_question(text: str) -> None:
    assert not asks(text)


def test_a_tag_asks_where_it_is_not_about_the_author() -> None:
    assert asks("The meeting is on Friday, right?")
    assert not asks("My meeting is on Friday, right?")
    assert questions("I moved to Lyon. How far is Paris? It rains.") == "How far is Paris?"


def test_of_a_mixed_message_only_the_telling_sentences_are_kept() -> None:
    message = "Hi! I moved to Lyon last week.\nHow far is that from Paris? My new street is Rue Garibaldi."
    assert recent_memories(message) == ("I moved to Lyon last week. My new street is Rue Garibaldi.",)


@given(st.text())
def test_statements_are_parts_of_the_text_and_stay_statements(text: str) -> None:
    parts = statements(text)
    assert all(part in text and part == part.strip() for part in parts)
    assert all(statements(part) == (part,) for part in parts)
    assert not any(holds_secret(part) for part in parts)


@given(st.lists(st.sampled_from([*TELLING, *NOT_TELLING]), max_size=400))
def test_recent_memories_are_bounded_and_lose_no_statement(texts: list[str]) -> None:
    message = "\n".join(texts)
    kept = recent_memories(message)
    assert all(0 < len(one) <= MAX_RECENT for one in kept)
    assert " ".join(kept) == " ".join(statements(message))


def test_of_a_long_message_the_end_is_kept_too() -> None:
    story = " ".join(f"On day {day} we walked {day} miles along the coast." for day in range(2_000))
    kept = recent_memories(f"{story} The spare key is under the blue pot.")
    assert kept[0].startswith("On day 0 we walked")
    assert kept[-1].endswith("The spare key is under the blue pot.")


def test_a_statement_without_an_end_is_cut_and_kept() -> None:
    word = "so it goes " + "x" * 50_000
    assert "".join(recent_memories(word)).replace(" ", "") == word.replace(" ", "")
    assert [len(one) for one in recent_memories("ab" + "我爱北京" * 600)] == [600, 600, 600, 600, 2]


@given(st.text(max_size=40))
def test_anything_may_be_asked_whether_it_is_trivial(text: str) -> None:
    assert is_trivial(text) in (True, False)


OWN_TALK = (
    "what's my name|I'm hungry|where do we live?|Wo wohne ich?|mein Hund|¿cuál es mi color favorito?|où est ma clé"
    "|j'habite où|где моя машина|我的狗叫什么"
)


@pytest.mark.parametrize("text", OWN_TALK.split("|"))
def test_talk_of_oneself_is_personal(text: str) -> None:
    assert is_personal(text)


FAVOURS = (
    "tell me a joke|help me|what is the capital of Mali|wie hoch ist der Mond|quelle heure est-il|erzähl mir was"
    "|raconte-moi une blague|дай мне число|给我讲个故事|告诉我几点了"
)


@pytest.mark.parametrize("text", FAVOURS.split("|"))
def test_asking_a_favour_or_about_the_world_is_not_personal(text: str) -> None:
    assert not is_personal(text)


@pytest.mark.parametrize("text", ["Never mind!", "Schönes Wochenende", "Как дела?", "qué tal", "well done."])
def test_a_phrase_of_courtesy_is_trivial(text: str) -> None:
    assert is_trivial(text)
