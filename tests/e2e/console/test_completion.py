"""Completion offers what the real registry knows, and nothing while one talks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.console.completion import suggestions
from core.commands.registry import build_registry

COMMANDS = build_registry().commands
OFFERS = {"profile": lambda: ("personal", "Work at night"), "command": lambda: ("help", "status")}


def offered(before: str) -> list[str]:
    return [item.text for item in suggestions(COMMANDS, before, OFFERS)]


def test_a_slash_offers_every_visible_command_with_its_help() -> None:
    found = suggestions(COMMANDS, "/", OFFERS)
    assert {item.text for item in found} == {f"/{command.name}" for command in COMMANDS if not command.hidden}
    assert all(item.help for item in found)


def test_a_beginning_narrows_it_whatever_the_case() -> None:
    assert offered("/INCOG") == ["/incognito"]
    assert offered("/zzz") == []


def test_subcommands_choices_and_profile_names_follow() -> None:
    assert {"use", "list", "new"} <= set(offered("/profile "))
    assert offered("/profile us") == ["use"]
    assert offered("/profile use ") == ["personal", "Work at night"]
    assert offered("/profile use work a") == ["Work at night"]
    assert {"on", "off"} <= set(offered("/incognito "))
    assert offered("/privacy inco") == ["incognito"]


@pytest.mark.parametrize("before", ["", "hello", "profile use", "/nosuch x", "/profile nosuch x", "/a\nb"])
def test_talk_and_unknown_words_get_no_offer(before: str) -> None:
    assert offered(before) == []


@given(st.text(max_size=60))
def test_an_offer_always_goes_on_from_what_is_typed(rest: str) -> None:
    before = "/" + rest
    for item in suggestions(COMMANDS, before, OFFERS):
        assert 0 <= item.replaces <= len(before)
        typed = before[len(before) - item.replaces :]
        assert item.text.casefold().startswith(typed.casefold())
