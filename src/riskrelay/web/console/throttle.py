"""How often an address may try to sign in."""

from collections import OrderedDict
from typing import TypeVar

from riskrelay.core.errors import RateLimited
from riskrelay.core.rate_limits import Bucket, RateLimit, spend
from riskrelay.ports import Clock

SIGN_INS = RateLimit(quota=30, window_seconds=60)  # guessed: more than people mistype; tokens cannot be guessed anyway
SIGN_INS_OF_ADDRESS = RateLimit(quota=600, window_seconds=60)  # guessed: a company behind one address, on a Monday
_PREFIX_CHARACTERS = 11  # `rr_` and 48 random bits: different for all tokens of an installation
_MAX_BUCKETS = 10_000  # guessed: some 2 MB of each kind; the oldest starts again

K = TypeVar("K")
V = TypeVar("V")

_Key = tuple[str, str]


class SignInThrottle:
    """Counts tries by address and token prefix, in this process's memory.

    Users of one company often share an address. With a single limit for the address, one user could lock out the
    others, so each token has its own count. In addition, an address has a much higher limit, which does not apply to
    tokens that have signed in from it before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: OrderedDict[_Key, Bucket] = OrderedDict()
        self._of_address: OrderedDict[str, Bucket] = OrderedDict()
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def spend(self, address: str | None, token: str) -> None:
        """Count one try.

        Args:
            address: None: not known; these share one count.
            token: as it was typed; only its prefix is kept.

        Raises: RateLimited.
        """
        key = _key_of(address, token)
        waits = [self._spend(self._tries, key, SIGN_INS)]
        if key not in self._known:
            waits.append(self._spend(self._of_address, key[0], SIGN_INS_OF_ADDRESS))
        longest = max((wait for wait in waits if wait is not None), default=None)
        if longest is not None:
            raise RateLimited(longest)

    def succeeded(self, address: str | None, token: str) -> None:
        """Note that *token* is valid and was used from *address*."""
        key = _key_of(address, token)
        self._known[key] = None
        _remove_oldest(self._known, key)

    def _spend(self, buckets: OrderedDict[K, Bucket], key: K, limit: RateLimit) -> int | None:
        now_us = int(self._clock.monotonic() * 1_000_000)
        buckets[key], allowance = spend(buckets.get(key), limit, now_us)
        _remove_oldest(buckets, key)
        return allowance.wait_seconds


def _key_of(address: str | None, token: str) -> _Key:
    return address or "", token.strip()[:_PREFIX_CHARACTERS]


def _remove_oldest(kept: OrderedDict[K, V], newest: K) -> None:
    kept.move_to_end(newest)
    if len(kept) > _MAX_BUCKETS:
        kept.popitem(last=False)
