"""Remembering the last use of tokens, so that a request writes nothing for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import structlog

from riskrelay.actions.record_token_uses import record_token_uses
from riskrelay.credentials import StoredToken, TokenId
from riskrelay.errors import Unavailable
from riskrelay.ports import Store

_log = structlog.get_logger()

PRECISION = timedelta(minutes=1)  # chosen: who looks for forgotten tokens thinks in days
FLUSH_SECONDS = 10  # guessed: a crash forgets so much, and a token list is so far behind


class PendingTokenUses:
    """Implements ports.TokenUses. Holds at most one use per valid token, until the next flush."""

    def __init__(self) -> None:
        self._pending: dict[TokenId, tuple[StoredToken, datetime]] = {}

    def __len__(self) -> int:
        """How many uses are remembered."""
        return len(self._pending)

    def note(self, token: StoredToken, at: datetime) -> None:
        if token.last_used_at is None or at - token.last_used_at >= PRECISION:
            self._pending[token.token_id] = (token, at)

    async def flush(self, store: Store) -> None:
        """Write down what is remembered; what the database refuses is kept for the next time."""
        noted, self._pending = self._pending, {}
        if not noted:
            return
        try:
            await record_token_uses(store, list(noted.values()))
        except Unavailable:
            _log.warning("token_uses_not_recorded", tokens=len(noted))
            self._pending = {**noted, **self._pending}

    @asynccontextmanager
    async def recording(self, store: Store) -> AsyncIterator[None]:
        """Flush now and then while the context lasts, and once more at its end."""
        stop = asyncio.Event()
        running = asyncio.create_task(self._flush_until(stop, store))
        try:
            yield
        finally:
            stop.set()
            await running
            await self.flush(store)

    async def _flush_until(self, stop: asyncio.Event, store: Store) -> None:
        while not stop.is_set():
            await self.flush(store)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_SECONDS)
