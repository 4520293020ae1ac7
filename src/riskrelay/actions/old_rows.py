"""Remove old findings and level changes. What they have caused, the users' levels, behaviors and counts, stays."""

from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from riskrelay.ports import FindingIndexPlace, Installation, LevelChangePlace, Services

P = TypeVar("P")

_FINDINGS = 100  # chosen: SQLite's writer and PostgreSQL's locks are held for some milliseconds
_LEVEL_CHANGES = 500  # chosen: for as long; they are read by their key


class Walk(Generic[P]):
    """Walks through all rows of a table, a bounded step at a time, and begins again when it is through.

    The index that the walk reads has the time of each row. So the rows need no index by age, which each accepted
    finding would pay for.

    Args:
        step: removes old rows after a place, and returns the next place; None: the walk is through.
    """

    def __init__(self, services: Services, step: Callable[[Installation, P | None], P | None]) -> None:
        self._services = services
        self._step = step
        self._place: P | None = None  # after a restart the walk begins again

    async def remove_some(self) -> bool:
        """Take the next step of the walk, in one transaction.

        Returns: False: the walk is through.
        Raises: Unavailable: nothing was removed; the next call takes the same step.
        """
        place = self._place
        self._place = await self._services.store.write_installation(lambda tx: self._step(tx, place))
        return self._place is not None


def walk_findings(services: Services, kept: timedelta) -> Walk[FindingIndexPlace]:
    """Return a walk that removes findings which occurred longer ago than *kept*."""
    return Walk(services, lambda tx, place: tx.purging.findings(kept, place, _FINDINGS))


def walk_level_changes(services: Services, kept: timedelta) -> Walk[LevelChangePlace]:
    """Return a walk that removes level changes older than *kept* from the histories of users."""
    return Walk(services, lambda tx, place: tx.purging.level_changes(kept, place, _LEVEL_CHANGES))
