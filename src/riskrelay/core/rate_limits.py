"""How many requests a token may send: a token bucket, decided without a clock of its own.

"Bucket" below; its drops are called requests, so that nothing is confused with the tokens that callers present.
"""

from dataclasses import dataclass

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most *quota* requests at once, and as many again in each window, evenly refilled.

    Attributes:
        quota: 1 or more.
        window_seconds: 1 or more.
    """

    quota: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of a holder's quota at a moment.

    Attributes:
        left: in units of 1 / (quota per microsecond), so that nothing is ever rounded: a request costs a window's
            microseconds of them, and each microsecond brings back *quota* of them.
        at_us: the moment, in microseconds of a clock that only grows.
    """

    left: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The answer to one request.

    Attributes:
        granted: whether it may be served.
        remaining: requests that may still be sent at once.
        full_in_seconds: until the whole quota is there again, rounded up.
        wait_seconds: until one request may be sent, rounded up, at least 1; only when this one was refused.
    """

    limit: RateLimit
    granted: bool
    remaining: int
    full_in_seconds: int
    wait_seconds: int | None


def spend(bucket: Bucket | None, limit: RateLimit, now_us: int) -> tuple[Bucket, Allowance]:
    """Take one request out of a bucket, if there is one left. What is refused costs nothing.

    Args:
        bucket: None: a full one.
        now_us: the moment, of the same clock as the bucket's.

    >>> limit = RateLimit(quota=2, window_seconds=60)
    >>> bucket, first = spend(None, limit, 0)
    >>> bucket, second = spend(bucket, limit, 0)
    >>> bucket, third = spend(bucket, limit, 0)
    >>> [first.granted, second.granted, third.granted], third.wait_seconds
    ([True, True, False], 30)
    """
    window_us = limit.window_seconds * _MICROSECONDS
    capacity = limit.quota * window_us
    before = capacity if bucket is None else bucket.left + max(now_us - bucket.at_us, 0) * limit.quota
    left = min(before, capacity)
    granted = left >= window_us
    if granted:
        left -= window_us
    wait = None if granted else _up(window_us - left, limit)
    return Bucket(left, now_us), Allowance(
        limit=limit,
        granted=granted,
        remaining=left // window_us,
        full_in_seconds=_up(capacity - left, limit),
        wait_seconds=wait,
    )


def _up(missing: int, limit: RateLimit) -> int:
    """Seconds until *missing* units have come back, rounded up."""
    return -(-missing // (limit.quota * _MICROSECONDS))
