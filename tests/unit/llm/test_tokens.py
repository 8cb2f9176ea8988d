from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.llm.tokens import TokenCounter, encoding_name, estimate_tokens


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("o3", "o200k_base"),
        ("llama3.2", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("openai/gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
    ],
)
def test_each_model_counts_with_its_table(model: str, encoding: str) -> None:
    assert encoding_name(model) == encoding


# The counts that OpenAI's own tiktoken gives.
@pytest.mark.parametrize(
    ("model", "text", "tokens"),
    [
        ("gpt-4o", "hello world", 2),
        ("gpt-4o", "antidisestablishmentarianism", 6),
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4", "お誕生日おめでとう", 9),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4", "2 + 2 = 4", 7),
        ("gpt-4o", "", 0),
    ],
)
def test_counts_are_openais(model: str, text: str, tokens: int) -> None:
    counter = TokenCounter(model)
    counter.load()
    assert counter.count(text) == tokens


def test_special_tokens_and_lone_surrogates_are_only_text() -> None:
    counter = TokenCounter("gpt-4o")
    counter.load()
    assert counter.count("<|endoftext|>") > 1
    assert counter.count("a\ud800b") > 1


def test_the_first_count_does_not_wait_for_the_table() -> None:
    counter = TokenCounter("gpt-4o")
    text = "antidisestablishmentarianism"
    assert counter.count(text) == estimate_tokens(text)
    deadline = time.monotonic() + 10
    while counter.count(text) != 6:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_an_estimate_grows_with_the_text(one: str, two: str) -> None:
    assert estimate_tokens(one) <= estimate_tokens(one + two) <= estimate_tokens(one) + estimate_tokens(two)
