"""Open interactions are found by their handle until they are over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from adapters.platforms.discord.interactions import LIFETIME, Interactions


def interaction(number: int) -> Any:
    return SimpleNamespace(id=number)


def test_an_interaction_is_found_until_it_is_over() -> None:
    now = 100.0
    opened = Interactions(monotonic=lambda: now)
    handle = opened.open(interaction(7), ephemeral=True)
    found = opened.find(handle)
    assert found is not None
    assert found.ephemeral
    now += LIFETIME
    assert opened.find(handle) is None


def test_old_ones_are_forgotten_when_a_new_one_comes() -> None:
    now = 100.0
    opened = Interactions(monotonic=lambda: now)
    first = opened.open(interaction(1), ephemeral=False)
    now += LIFETIME + 1
    second = opened.open(interaction(2), ephemeral=False)
    now -= LIFETIME
    assert opened.find(first) is None
    assert opened.find(second) is not None


def test_a_closed_or_unknown_one_is_not_found() -> None:
    opened = Interactions()
    handle = opened.open(interaction(1), ephemeral=False)
    opened.close(handle)
    opened.close("never there")
    assert opened.find(handle) is None
    assert opened.find("") is None
