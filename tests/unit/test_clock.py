"""The two clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from adapters.clock import ManualClock, SystemClock


def test_the_machines_clock_is_in_utc_and_goes_on() -> None:
    clock = SystemClock()
    before, then = datetime.now(UTC), clock.monotonic()
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() >= then


def test_the_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    start = clock.now()
    assert (clock.now(), clock.monotonic()) == (start, 0.0)
    clock.advance(90)
    clock.advance(timedelta(minutes=1))
    assert (clock.now(), clock.monotonic()) == (start + timedelta(seconds=150), 150.0)


def test_the_wall_clock_may_step_back_but_monotonic_time_never_does() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.set(datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == datetime(2020, 1, 1, 11, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() == 10.0
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
