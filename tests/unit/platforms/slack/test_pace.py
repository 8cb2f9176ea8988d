"""One budget for all replies of a channel: previews wait, final texts wait only for what Slack itself told."""

from __future__ import annotations

import pytest

from adapters.platforms.slack.config import Pace
from adapters.platforms.slack.pace import PRUNE_ABOVE, Budget
from core.errors import DeliveryRateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(budget: Budget, channel: str, seconds: float, *, preview: bool = False) -> None:
    """Slack answers a call with a Retry-After."""
    with pytest.raises(DeliveryRateLimited), budget.sending(channel, preview=preview):
        raise DeliveryRateLimited(retry_after=seconds)


def test_the_replies_of_a_channel_share_a_second_and_other_channels_have_their_own() -> None:
    clock = Clock()
    budget = Budget(Pace(), clock)
    with budget.sending("C1"):
        budget.preview("C2")
    with pytest.raises(DeliveryRateLimited) as early:
        budget.preview("C1")
    assert early.value.retry_after == pytest.approx(1.0)
    with budget.sending("C1"):  # a final text does not wait for that
        clock.now += 1
    clock.now += 1
    budget.preview("C1")


def test_a_penalty_of_minutes_is_one_channels_own_and_obeyed_without_asking_again() -> None:
    clock = Clock()
    budget = Budget(Pace(), clock)
    refused(budget, "C1", 300)
    clock.now += 100
    with pytest.raises(DeliveryRateLimited) as still, budget.sending("C1"):
        pytest.fail("Slack was asked")
    assert still.value.retry_after == pytest.approx(200)
    with pytest.raises(DeliveryRateLimited):
        budget.preview("C1")
    with budget.sending("C2"):
        clock.now += 200
    with budget.sending("C1"):
        pass


def test_a_penalty_of_a_preview_does_not_hold_up_the_final_text() -> None:
    clock = Clock()
    budget = Budget(Pace(), clock)
    refused(budget, "C1", 300, preview=True)
    with pytest.raises(DeliveryRateLimited):
        budget.preview("C1")
    with budget.sending("C1"):
        pass


def test_all_channels_together_get_so_many_previews_a_minute() -> None:
    clock = Clock()
    budget = Budget(Pace(previews_a_minute=3), clock)
    for number in range(3):
        budget.preview(f"C{number}")
    with pytest.raises(DeliveryRateLimited) as full:
        budget.preview("C9")
    assert full.value.retry_after == pytest.approx(60)
    clock.now += 60
    budget.preview("C9")


def test_old_channels_are_forgotten() -> None:
    clock = Clock()
    budget = Budget(Pace(), clock)
    for number in range(PRUNE_ABOVE):
        with budget.sending(f"C{number}"):
            pass
    clock.now += 2
    with budget.sending("C-new"):
        pass
    assert len(budget._free_at) == 1  # its memory is what this is about
