"""Remove old level changes from the histories of users. The users' levels stay."""

from datetime import timedelta

from riskrelay.ports import LevelChangePlace, Services

_ROWS = 500  # chosen: read by an index; SQLite's writer and PostgreSQL's locks are held for some milliseconds


class OldLevelChanges:
    """Walks through all level changes, a bounded step at a time, and begins again when it is through.

    The key of a level change has its time. So they need no index by age, which each accepted finding would pay for.

    Args:
        kept: how long a level change is kept.
    """

    def __init__(self, services: Services, kept: timedelta) -> None:
        self._services = services
        self._kept = kept
        self._place: LevelChangePlace | None = None  # after a restart the walk begins again

    async def remove_some(self) -> bool:
        """Take the next step of the walk, in one transaction.

        Returns: False: the walk is through.
        Raises: Unavailable: nothing was removed; the next call takes the same step.
        """
        place = self._place
        self._place = await self._services.store.write_installation(
            lambda tx: tx.purging.level_changes(self._kept, place, _ROWS)
        )
        return self._place is not None
