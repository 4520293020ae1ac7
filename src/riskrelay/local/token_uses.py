"""Keep the last use of tokens in memory, so that a request writes no extra row."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial

import structlog

from riskrelay.actions.tokens import record_token_uses
from riskrelay.core.credentials import StoredToken, TokenId
from riskrelay.core.errors import Unavailable
from riskrelay.local.flushing import flushing
from riskrelay.ports import Store

_log = structlog.get_logger()

FLUSH_SECONDS = 10  # guessed: a crash loses the uses of this time, and a token list lags by it


class PendingTokenUses:
    """Implements ports.TokenUses. Holds at most one use per valid token until the next flush."""

    def __init__(self) -> None:
        self._pending: dict[TokenId, tuple[StoredToken, datetime]] = {}

    def __len__(self) -> int:
        """The number of uses in memory."""
        return len(self._pending)

    def note(self, token: StoredToken, at: datetime) -> None:
        if token.is_use_due(at):
            self._pending[token.token_id] = (token, at)

    async def flush(self, store: Store) -> None:
        """Store the uses. Uses that the database refuses are kept for the next flush."""
        noted, self._pending = self._pending, {}
        if not noted:
            return
        try:
            await record_token_uses(store, list(noted.values()))
        except Unavailable:
            _log.warning("token_uses_not_recorded", tokens=len(noted))
            self._pending = {**noted, **self._pending}

    def recording(self, store: Store) -> AbstractAsyncContextManager[None]:
        """Flush periodically while the context lasts, and once more at its end."""
        return flushing(partial(self.flush, store), FLUSH_SECONDS)
