"""Rate limits for each credential, in this process's memory."""

from collections import OrderedDict

from riskrelay.core.rate_limits import Allowance, Bucket, RateLimit, spend
from riskrelay.ports import Clock

WINDOW_SECONDS = 60
MAX_HOLDERS = 100_000  # guessed: some 20 MB; a credential that is removed starts again with a full quota


class MemoryRateLimits:
    """Implements ports.RateLimits.

    Only valid credentials are counted, so that a flood of invalid tokens takes no memory. A credential that was not
    used for one window has a full bucket and is removed.

    Args:
        limit: None: there is no limit.
    """

    def __init__(self, clock: Clock, limit: RateLimit | None, max_holders: int = MAX_HOLDERS) -> None:
        self._clock = clock
        self._limit = limit
        self._max_holders = max_holders
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """The number of credentials in memory."""
        return len(self._buckets)

    def refusal(self, holder: bytes) -> Allowance | None:
        bucket = self._buckets.get(holder)
        if self._limit is None or bucket is None:
            return None
        _, allowance = spend(bucket, self._limit, self._now_us())
        return None if allowance.granted else allowance

    def spend(self, holder: bytes) -> Allowance | None:
        if self._limit is None:
            return None
        now_us = self._now_us()
        bucket, allowance = spend(self._buckets.get(holder), self._limit, now_us)
        self._buckets[holder] = bucket
        self._buckets.move_to_end(holder)
        self._remove_old(now_us - self._limit.window_seconds * 1_000_000)
        return allowance

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)

    def _remove_old(self, quiet_since_us: int) -> None:
        """Remove the credentials whose bucket is full again and those above the bound, the longest unused first."""
        while self._buckets:
            longest_quiet = next(iter(self._buckets))
            if self._buckets[longest_quiet].at_us > quiet_since_us and len(self._buckets) <= self._max_holders:
                return
            del self._buckets[longest_quiet]
