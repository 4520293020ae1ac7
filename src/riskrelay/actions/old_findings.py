"""Remove old findings. What they have caused, the users' levels, behaviors and counts, stays."""

from datetime import timedelta

from riskrelay.ports import FindingIndexPlace, Services

_ROWS = 100  # chosen: SQLite's writer and PostgreSQL's locks are held for some milliseconds


class OldFindings:
    """Walks through all findings, a bounded step at a time, and begins again when it is through.

    The index by which a user's findings are read has the time of each, so the walk reads no other row, and findings
    need no index by age, which each accepted finding would pay for.

    Args:
        kept: how long a finding is kept after it occurred.
    """

    def __init__(self, services: Services, kept: timedelta) -> None:
        self._services = services
        self._kept = kept
        self._place: FindingIndexPlace | None = None  # after a restart the walk begins again

    async def remove_some(self) -> bool:
        """Take the next step of the walk, in one transaction.

        Returns: False: the walk is through.
        Raises: Unavailable: nothing was removed; the next call takes the same step.
        """
        place = self._place
        self._place = await self._services.store.write_installation(
            lambda tx: tx.purging.findings(self._kept, place, _ROWS)
        )
        return self._place is not None
