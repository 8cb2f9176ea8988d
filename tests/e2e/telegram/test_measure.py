"""The measurements that bench/ takes keep working, and the crowd is answered once each."""

from __future__ import annotations

from tests.e2e.telegram.measure import burst, translation_and_rendering


async def test_a_crowd_over_polling_is_answered_once_each() -> None:
    measured = await burst(150)
    assert measured.answered_once
    assert measured.replies_per_second > 0


def test_the_cost_of_a_message_is_measured() -> None:
    assert 0 < translation_and_rendering(20) < 1_000_000
