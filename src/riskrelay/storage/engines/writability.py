"""Check for health checks whether a database accepts writes, and cache the result."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from riskrelay.core.errors import UnavailableCause
from riskrelay.storage.engines.causes import refused

_ASK_SECONDS: Final = 0.25  # chosen: any client may call /readyz, and each check costs a commit
# A small write may succeed where a larger one has just met the end of the disk.
_FULL_FOR_SECONDS: Final = 5.0  # guessed: health checks and writes are more frequent
_NEVER: Final = float("-inf")

Ask = Callable[[bool], Awaitable[UnavailableCause | None]]
"""Asks the database for a write; given True, for one that needs room. Returns why it refuses; None when it does not."""


class Writability:
    """The cached writability of one database."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._full_at = self._answered_at = _NEVER
        self._is_out_of_date = False
        self._cause: UnavailableCause | None = None
        self._one_at_a_time = asyncio.Lock()

    def refused(self, cause: UnavailableCause) -> None:
        """Note that a transaction was refused, so that the cached result is out of date. Any thread may call this."""
        self._is_out_of_date = True
        if cause is UnavailableCause.DISK_FULL:
            self._full_at = time.monotonic()

    async def require(self, *, thorough: bool) -> None:
        """Raise Unavailable with the cause when the database takes no writes."""
        async with self._one_at_a_time:
            if time.monotonic() - self._full_at < _FULL_FOR_SECONDS:
                raise refused(UnavailableCause.DISK_FULL)
            is_old = self._is_out_of_date or time.monotonic() - self._answered_at >= _ASK_SECONDS
            if thorough or is_old:
                self._is_out_of_date = False  # before the check, so that a refusal during the check is not lost
                self._cause = await self._ask(thorough or self._full_at != _NEVER)
                self._answered_at = time.monotonic()
                if self._cause is None:
                    self._full_at = _NEVER
            if self._cause is not None:
                self._is_out_of_date = False  # the question itself was refused
                raise refused(self._cause)
