"""The error tree in the docstring is the tree of the classes, and each error can be shown to a person."""

from __future__ import annotations

import core.errors
from core.errors import MemoryChatError


def lines_of(error: type[MemoryChatError], indent: str = "") -> list[str]:
    children = [child for child in error.__subclasses__() if child.__module__ == core.errors.__name__]
    lines = []
    for child in children:
        last = child is children[-1]
        lines.append(f"{indent}{'└── ' if last else '├── '}{child.__name__}")
        lines += lines_of(child, indent + ("    " if last else "│   "))
    return lines


def all_errors(error: type[MemoryChatError] = MemoryChatError) -> list[type[MemoryChatError]]:
    return [error, *(found for child in error.__subclasses__() for found in all_errors(child))]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = (core.errors.__doc__ or "").split("MemoryChatError\n", 1)[1].rstrip().splitlines()
    assert drawn == lines_of(MemoryChatError)


def test_each_error_has_a_sentence_for_people_and_a_code() -> None:
    for error in all_errors():
        assert error.user_message.endswith((".", "!")), error
        assert error.code.replace("_", "").isalpha(), error


def test_a_given_sentence_replaces_the_usual_one() -> None:
    assert core.errors.NotFound(user_message="Not here.").user_message == "Not here."
    assert core.errors.LimitReached(retry_after=3.0).retry_after == 3.0
    assert core.errors.DeliveryRateLimited(retry_after=2.0, sent_ids=("1",)).sent_ids == ("1",)
    assert core.errors.ConfigurationError("one", "two").user_message == "one\ntwo"
