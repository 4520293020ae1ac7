"""When the worker scans for due lanes, and where each scan starts. Pure: the caller passes the time."""

import math
from datetime import datetime, timedelta

SWEEP = timedelta(seconds=1)  # a wake that got lost costs at most this
FULL_SCAN = timedelta(seconds=30)  # guessed: finds what a transaction of more than half a minute made due
AFTER_ERROR = timedelta(seconds=1)


class ScanSchedule:
    """When the worker scans next.

    Every *now* is in seconds of one clock that only grows.

    Attributes:
        since: where the scan starts: no lane has been due for longer. None: it reads all lanes.
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
        """Let the next scan start where this one found the lane that has been due for longest."""
        self.since = since

    def put_off(self, now: float) -> None:
        """Scan again a second after an error, whatever was requested."""
        self._next = now + AFTER_ERROR.total_seconds()
