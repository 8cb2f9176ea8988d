"""Passwords, cards, keys and one-time codes: how many are found, and how many harmless sentences are taken for one."""

from __future__ import annotations

import pytest

from core.secrecy import holds_secret
from tests.privacy.secret_corpus import HARMLESS, SECRETS


def test_the_corpus_is_large_enough_to_say_something() -> None:
    assert len(set(SECRETS)) >= 100
    assert len(set(HARMLESS)) >= 100


@pytest.mark.parametrize("sentence", SECRETS)
def test_a_secret_is_found(sentence: str) -> None:
    assert holds_secret(sentence)


def test_hardly_a_harmless_sentence_is_taken_for_one() -> None:
    """It is not remembered then, and nothing else happens: better that than a secret kept."""
    taken = [sentence for sentence in HARMLESS if holds_secret(sentence)]
    assert len(taken) <= len(HARMLESS) // 100, taken
