"""The measurement that bench/ takes keeps working."""

from __future__ import annotations

from tests.e2e.discord.measure import translation_and_rendering


async def test_the_cost_of_a_message_is_measured() -> None:
    assert 0 < await translation_and_rendering(20) < 1_000_000
