"""How long to wait before the next attempt."""

from datetime import timedelta

import pytest

from riskrelay.core.delivery.backoff import backoff, local_wait, probe_wait


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (12, 900), (1_000_000, 900)]
)
def test_an_event_waits_up_to_fifteen_minutes_of_which_half_is_jitter(failures: int, longest: float) -> None:
    """1 s, 2 s, 4 s … 15 min; the jitter only shortens the wait."""
    assert backoff(failures, 0) == timedelta(seconds=longest)
    assert backoff(failures, 0.5) == timedelta(seconds=longest * 0.75)
    assert backoff(failures, 1) == timedelta(seconds=longest / 2)


@pytest.mark.parametrize(("failures", "longest"), [(1, 1), (2, 2), (4, 8), (5, 10), (100, 10)])
def test_a_local_failure_waits_at_most_ten_seconds(failures: int, longest: float) -> None:
    """As an event, and never longer."""
    assert local_wait(failures, 0) == timedelta(seconds=longest)


@pytest.mark.parametrize(("failures", "longest"), [(1, 1), (2, 2), (3, 4)])
def test_the_first_three_waits_of_a_lane_are_those_of_an_event(failures: int, longest: float) -> None:
    """A receiver that restarts is back within them."""
    assert probe_wait(failures, 0) == timedelta(seconds=longest)
    assert probe_wait(failures, 1) == timedelta(seconds=longest / 2)


@pytest.mark.parametrize(("failures", "shortest"), [(4, 10), (5, 20), (6, 40), (10, 640), (11, 900), (500, 900)])
def test_the_jitter_of_an_open_breaker_only_adds(failures: int, shortest: float) -> None:
    """So a receiver that is down gets at most one probe in 15 minutes; the jitter adds up to a tenth."""
    assert probe_wait(failures, 0) == timedelta(seconds=shortest)
    assert probe_wait(failures, 0.5) == timedelta(seconds=shortest * 1.05)
    assert probe_wait(failures, 1) == timedelta(seconds=shortest * 1.1)
