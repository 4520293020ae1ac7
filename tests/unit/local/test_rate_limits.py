"""Limits in memory: one holder never touches another, and memory stays bounded."""

from datetime import timedelta

from riskrelay.core.rate_limits import RateLimit
from riskrelay.local.rate_limits import MemoryRateLimits
from support.services import HandClock

LIMIT = RateLimit(3, 60)


def granted(limits: MemoryRateLimits, holder: bytes) -> bool:
    allowance = limits.spend(holder)
    assert allowance is not None
    return allowance.granted


def test_each_holder_has_its_own_quota() -> None:
    """One floods, the other is served."""
    limits = MemoryRateLimits(HandClock(), LIMIT)
    assert [granted(limits, b"flooder") for _ in range(50)] == [True] * 3 + [False] * 47
    assert granted(limits, b"other")


def test_a_refusal_is_known_beforehand() -> None:
    """Without counting anything: it is there exactly as long as a request would be refused."""
    clock = HandClock()
    limits = MemoryRateLimits(clock, LIMIT)
    assert limits.refusal(b"flooder") is None
    assert len(limits) == 0
    for _ in range(3):
        assert limits.refusal(b"flooder") is None
        assert granted(limits, b"flooder")
    refused = limits.refusal(b"flooder")
    assert refused is not None
    assert refused.wait_seconds == 20
    assert refused == limits.spend(b"flooder")
    clock.pass_time(timedelta(seconds=20))
    assert limits.refusal(b"flooder") is None
    assert granted(limits, b"flooder")
    assert not granted(limits, b"flooder")


def test_without_a_limit_nothing_is_counted() -> None:
    """RISKRELAY_RATE_LIMIT=0."""
    limits = MemoryRateLimits(HandClock(), None)
    assert limits.spend(b"anybody") is None
    assert limits.refusal(b"anybody") is None
    assert len(limits) == 0


def test_a_holder_without_requests_for_a_window_is_removed() -> None:
    """And loses nothing: the bucket would be full."""
    clock = HandClock()
    limits = MemoryRateLimits(clock, LIMIT)
    for number in range(100):
        granted(limits, b"holder %d" % number)
    assert len(limits) == 100
    clock.pass_time(timedelta(seconds=60))
    assert granted(limits, b"late")
    assert len(limits) == 1


def test_memory_is_bounded() -> None:
    """Above the bound, whoever was quiet longest is forgotten; a flooder is not."""
    limits = MemoryRateLimits(HandClock(), LIMIT, max_holders=10)
    for number in range(1_000):
        limits.spend(b"holder %d" % number)
        limits.spend(b"flooder")
    assert len(limits) == 10
    assert not granted(limits, b"flooder")
