"""The token bucket, as properties."""

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.rate_limits import Allowance, Bucket, RateLimit, spend

limits = st.builds(RateLimit, st.integers(1, 500), st.integers(1, 120))
pauses = st.lists(st.one_of(st.just(0), st.integers(0, 200_000_000), st.integers(0, 2_000_000)), max_size=200)


def served(limit: RateLimit, moments: list[int]) -> list[Allowance]:
    """What one holder is told who asks at each of those microseconds."""
    bucket: Bucket | None = None
    told = []
    for moment in moments:
        bucket, allowance = spend(bucket, limit, moment)
        told.append(allowance)
    return told


def moments_of(pauses: list[int]) -> list[int]:
    return [sum(pauses[: place + 1]) for place in range(len(pauses))]


@given(limits)
def test_exactly_the_quota_is_granted_at_once(limit: RateLimit) -> None:
    """And the answers count it down to nothing."""
    told = served(limit, [0] * (limit.quota + 2))
    assert [allowance.granted for allowance in told] == [True] * limit.quota + [False] * 2
    assert [allowance.remaining for allowance in told] == [*reversed(range(limit.quota)), 0, 0]


@given(limits, pauses)
def test_no_stretch_of_time_has_more_than_its_share(limit: RateLimit, pauses: list[int]) -> None:
    """In any stretch: at most the quota, and what that stretch refills."""
    moments = moments_of(pauses)
    granted = [moment for moment, allowance in zip(moments, served(limit, moments), strict=True) if allowance.granted]
    window_us = limit.window_seconds * 1_000_000
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            assert last - first + 1 <= limit.quota + (granted[last] - granted[first]) * limit.quota / window_us + 1e-6


@given(limits, pauses)
def test_a_request_after_retry_after_is_served(limit: RateLimit, pauses: list[int]) -> None:
    """A refusal names a wait of at least a second and at most a window; it is enough, and one second less is not
    wrong by more than the rounding."""
    moments = moments_of(pauses)
    bucket: Bucket | None = None
    for moment in moments:
        bucket, allowance = spend(bucket, limit, moment)
        assert allowance.granted == (allowance.wait_seconds is None)
        if allowance.wait_seconds is not None:
            assert 1 <= allowance.wait_seconds <= limit.window_seconds
            assert spend(bucket, limit, moment + allowance.wait_seconds * 1_000_000)[1].granted
            assert not spend(bucket, limit, moment + (allowance.wait_seconds - 1) * 1_000_000)[1].granted


@given(limits, pauses)
def test_the_quota_is_whole_again_when_it_says(limit: RateLimit, pauses: list[int]) -> None:
    """After `full_in_seconds` a holder may send the whole quota at once."""
    moments = moments_of([*pauses, 0])
    bucket: Bucket | None = None
    for moment in moments:
        bucket, allowance = spend(bucket, limit, moment)
    assert 0 <= allowance.full_in_seconds <= limit.window_seconds
    _, after = spend(bucket, limit, moments[-1] + allowance.full_in_seconds * 1_000_000)
    assert after.remaining == limit.quota - 1


@given(limits, st.integers(0, 100))
def test_whoever_keeps_to_the_rate_is_never_refused(limit: RateLimit, count: int) -> None:
    """A request every window / quota."""
    step = -(-limit.window_seconds * 1_000_000 // limit.quota)
    assert all(allowance.granted for allowance in served(limit, [place * step for place in range(count)]))


def test_a_clock_that_stands_still_or_goes_back_grants_nothing_more() -> None:
    """The bucket only fills with time that has passed."""
    limit = RateLimit(2, 60)
    assert [allowance.granted for allowance in served(limit, [100, 100, 50, 100])] == [True, True, False, False]
