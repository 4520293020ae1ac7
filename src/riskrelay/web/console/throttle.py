"""How often one address may try to sign in."""

from collections import OrderedDict

from riskrelay.errors import RateLimited
from riskrelay.ports import Clock
from riskrelay.rate_limits import Bucket, RateLimit, spend

SIGN_INS = RateLimit(quota=30, window_seconds=60)  # guessed: more than people mistype; tokens cannot be guessed anyway
_MAX_ADDRESSES = 10_000  # guessed: some 2 MB; whoever is pushed out starts again


class SignInThrottle:
    """Counts tries by address, in this process's memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def spend(self, address: str | None) -> None:
        """Count one try.

        Args:
            address: None: not known; these share one count.

        Raises: RateLimited.
        """
        key = address or ""
        now_us = int(self._clock.monotonic() * 1_000_000)
        self._buckets[key], allowance = spend(self._buckets.get(key), SIGN_INS, now_us)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if allowance.wait_seconds is not None:
            raise RateLimited(allowance.wait_seconds)
