"""The rate limit of a token: a token bucket. Pure: the caller passes the time.

"Bucket" below; the units in the bucket are called requests, because tokens are credentials here.
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
    """The remaining quota of a credential at one time.

    Attributes:
        left: the remaining quota in integer units, so that it is never rounded. A request costs as many units as the
            window has microseconds, and each microsecond adds *quota* units.
        at_us: the time, in microseconds of a monotonic clock.
    """

    left: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The decision about one request.

    Attributes:
        granted: whether the request may be served.
        remaining: the number of requests that may still be sent at once.
        full_in_seconds: the time until the whole quota is available again, rounded up.
        wait_seconds: the time until the next request may be sent, rounded up, at least 1; only after a refusal.
    """

    limit: RateLimit
    granted: bool
    remaining: int
    full_in_seconds: int
    wait_seconds: int | None


def spend(bucket: Bucket | None, limit: RateLimit, now_us: int) -> tuple[Bucket, Allowance]:
    """Take one request out of a bucket, if one is left. A refused request costs nothing.

    Args:
        bucket: None: a full bucket.
        now_us: the time, by the bucket's clock.

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
    """Return the seconds until *missing* units are added, rounded up."""
    return -(-missing // (limit.quota * _MICROSECONDS))
