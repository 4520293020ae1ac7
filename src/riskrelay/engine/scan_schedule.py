"""The schedule of the worker's scans for due lanes. Pure: the caller passes the time."""

import math
from datetime import datetime, timedelta

SWEEP = timedelta(seconds=1)  # a lost wake delays delivery by at most this
FULL_SCAN = timedelta(seconds=30)  # guessed: finds lanes that a transaction of more than 30 s made due
AFTER_ERROR = timedelta(seconds=1)


class ScanSchedule:
    """The time of the worker's next scan, and where it starts.

    Every *now* is in seconds of a monotonic clock.

    Attributes:
        since: the `due_at` where the scan starts. No lane has been due for longer. None: the scan reads all lanes.
    """

    def __init__(self) -> None:
        self.since: datetime | None = None
        self._next = self._next_full = -math.inf

    def is_due(self, now: float) -> bool:
        """Return whether it is time to scan."""
        return now >= self._next

    def left(self, now: float) -> timedelta:
        """Return how long until the next scan; zero: it is due."""
        return timedelta(seconds=max(self._next - now, 0.0))

    def request(self, now: float, within: timedelta) -> None:
        """Scan no later than *within* from now."""
        self._next = min(self._next, now + within.total_seconds())

    def begin(self, now: float) -> None:
        """Start a scan: the next one follows a sweep later, unless one is requested before."""
        self._next = now + SWEEP.total_seconds()
        if now >= self._next_full:
            self._next_full = now + FULL_SCAN.total_seconds()
            self.since = None

    def end(self, since: datetime) -> None:
        """Start the next scan at the oldest `due_at` of this one."""
        self.since = since

    def put_off(self, now: float) -> None:
        """Scan again one second after an error, even if an earlier scan was requested."""
        self._next = now + AFTER_ERROR.total_seconds()
