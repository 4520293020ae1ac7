"""Count findings in memory, so that a request writes no extra row.

The counts are for charts only; a crash loses the latest ones.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial

import structlog

from riskrelay.actions.counts import record_finding_counts
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.local.flushing import flushing
from riskrelay.ports import Store

_log = structlog.get_logger()

FLUSH_SECONDS = 5  # guessed: a crash loses the counts of this time, and a chart lags by it


class PendingFindingCounts:
    """Implements ports.FindingCounter. Holds one count for each account, behavior and minute until the next flush."""

    def __init__(self) -> None:
        self._pending: dict[AccountId, Counter[tuple[datetime, BehaviorId]]] = defaultdict(Counter)

    def note(self, account_id: AccountId, counts: Mapping[BehaviorId, int], at: datetime) -> None:
        minute = at.replace(second=0, microsecond=0)
        for behavior, count in counts.items():
            self._pending[account_id][minute, behavior] += count

    async def flush(self, store: Store) -> None:
        """Store the counts. Counts that the database refuses are dropped."""
        noted, self._pending = self._pending, defaultdict(Counter)
        try:
            await record_finding_counts(store, noted)
        except Unavailable:
            _log.warning("finding_counts_lost", accounts=len(noted))

    def recording(self, store: Store) -> AbstractAsyncContextManager[None]:
        """Flush periodically while the context lasts, and once more at its end."""
        return flushing(partial(self.flush, store), FLUSH_SECONDS)
