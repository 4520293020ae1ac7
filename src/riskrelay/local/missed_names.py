"""Count names that the directory does not have in memory, so that a request writes no extra row.

A crash loses the latest counts only.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial

import structlog

from riskrelay.actions.directory import record_missed_names
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.signals import Name
from riskrelay.local.flushing import flushing
from riskrelay.ports import Store

_log = structlog.get_logger()

FLUSH_SECONDS = 5  # guessed: a crash loses the counts of this time, and a list lags by it
MAX_PENDING_NAMES = 10_000  # guessed: for all accounts, a few megabytes; ten times as many as are shown of one account


class PendingMissedNames:
    """Implements ports.MissedNameCounter. Holds one count for each account and name until the next flush."""

    def __init__(self) -> None:
        self._pending: dict[AccountId, Counter[Name]] = defaultdict(Counter)
        self._names = 0
        self._last_at: datetime | None = None

    @property
    def pending(self) -> int:
        """The number of names in memory."""
        return self._names

    def note(self, account_id: AccountId, names: Mapping[Name, int], at: datetime) -> None:
        pending = self._pending[account_id]
        for name, count in names.items():
            if name in pending:
                pending[name] += count
            elif self._names < MAX_PENDING_NAMES:
                pending[name] = count
                self._names += 1
        self._last_at = at

    async def flush(self, store: Store) -> None:
        """Store the counts. Counts that the database refuses are dropped."""
        noted, self._pending, self._names = self._pending, defaultdict(Counter), 0
        if self._last_at is None or not noted:
            return
        try:
            await record_missed_names(store, noted, self._last_at)
        except Unavailable:
            _log.warning("missed_names_lost", accounts=len(noted))

    def recording(self, store: Store) -> AbstractAsyncContextManager[None]:
        """Flush periodically while the context lasts, and once more at its end."""
        return flushing(partial(self.flush, store), FLUSH_SECONDS)
