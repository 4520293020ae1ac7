"""Limit refused credentials per client address."""

import asyncio
from collections import OrderedDict

from starlette.requests import Request

from riskrelay.core.errors import RateLimited
from riskrelay.core.rate_limits import Bucket, RateLimit, spend
from riskrelay.ports import Clock
from riskrelay.web.client_address import client_network
from riskrelay.web.work import waiting

WINDOW_SECONDS = 60
FAILURES_A_MINUTE = 600  # like the setting's default: guessed, far more than a misconfigured client sends
_PAUSE_SECONDS = 1.0  # a client that ignores the 429 sends one request a second on each connection
_MAX_ADDRESSES = 20_000  # guessed: some 5 MB; an address pushed out starts again
_MAX_KNOWN = 10_000  # guessed: tokens in use


class FailedAuthentication:
    """Refuses requests of an address with too many refused credentials, without a query.

    A credential that was valid in this process before is still accepted, so that a flood from an address does not block
    the clients that share it.

    Args:
        per_minute: the allowed refusals of one address per minute; 0: no limit.
    """

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._limit = RateLimit(per_minute, WINDOW_SECONDS) if per_minute else None
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    async def check(self, request: Request, credential: bytes) -> None:
        """Accept a request, or refuse it after a pause.

        Args:
            credential: a hash of the request's credential.

        Raises: RateLimited: this address may not try now.
        """
        if self._limit is None or not self._buckets or credential in self._known:
            return
        bucket = self._buckets.get(_address_of(request))
        if bucket is None:
            return
        _, allowance = spend(bucket, self._limit, self._now_us())
        if allowance.wait_seconds is not None:
            async with waiting():
                await asyncio.sleep(_PAUSE_SECONDS)
            raise RateLimited(allowance.wait_seconds)

    def accepted(self, credential: bytes) -> None:
        """Note that *credential* was valid."""
        if self._limit is not None:
            self._known[credential] = None
            self._known.move_to_end(credential)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)

    def refused(self, request: Request, credential: bytes) -> None:
        """Count a refusal against the request's address."""
        if self._limit is None:
            return
        self._known.pop(credential, None)  # expired or revoked
        address = _address_of(request)
        bucket, _ = spend(self._buckets.get(address), self._limit, self._now_us())
        self._buckets[address] = bucket
        self._buckets.move_to_end(address)
        self._remove_old()

    def _now_us(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)

    def _remove_old(self) -> None:
        """Drop addresses whose bucket is full again, and the oldest above the bound."""
        full_since = self._now_us() - WINDOW_SECONDS * 1_000_000
        while self._buckets:
            oldest = next(iter(self._buckets))
            if self._buckets[oldest].at_us > full_since and len(self._buckets) <= _MAX_ADDRESSES:
                return
            del self._buckets[oldest]


def _address_of(request: Request) -> str:
    return client_network(request) or "unknown"
