"""The operations that collapse waiting level changes."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

from riskrelay.core.delivery.coalescing import Admission, Knowledge, KnownLevel
from riskrelay.core.delivery.lanes import LaneKey, LaneLease
from riskrelay.core.delivery.queued_events import QueuedEvent


class Coalescing(Protocol):
    """Reads the backlog of a lane, and stores what a later level change supersedes."""

    def backlog(self, key: LaneKey, after: int, limit: int) -> list[QueuedEvent]:
        """Return the first *limit* events above the seq *after*, in order."""

    def knowledge(self, key: LaneKey, through: int, levels: Collection[tuple[str, str]]) -> dict[str, Knowledge]:
        """Return what the receiver knows of users, from their last events that were not superseded.

        Args:
            through: later events are ignored.
            levels: subject keys, each with the level of the question.
        """

    def store_known_levels(self, lease: LaneLease, changed: Sequence[KnownLevel], extend: timedelta) -> None:
        """Change the previous level of events that were never attempted, and extend the lease.

        Raises: LeaseLost: nothing was written.
        """

    def admit(self, lease: LaneLease, admission: Admission, extend: timedelta) -> None:
        """Store an admission, and extend the lease.

        Args:
            extend: zero: the lane has no lease, because its receiver polls.

        Raises: LeaseLost: nothing was written.
        """
