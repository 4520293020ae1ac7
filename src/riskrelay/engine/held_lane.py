"""What a worker knows of a lane that it holds: whether it has work, and new events that need no read."""

import asyncio
from datetime import timedelta

from riskrelay.core.delivery.handover import Handover, Rest, WokenLane, work_of
from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, LaneWork
from riskrelay.engine.pushing import SigningAhead

# chosen: together with the time of a batch, well below the second after which a disabled stream gets no push
_FRESH_FOR = timedelta(milliseconds=250)


class HeldLane:
    """A lane that this worker holds.

    Attributes:
        woken: set when the lane has work, or must be released.
        idle_signing: signs the events of the lane, while it waits for some; None: the lane is at work.
    """

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.idle_signing: SigningAhead | None = None
        self._rest: Rest | None = None
        self._handed: list[Handover] = []
        self._handed_at = 0.0
        self._must_read = False

    def wake(self, woken: WokenLane, now: float) -> None:
        """Note that the lane has work.

        Args:
            now: by the monotonic clock.
        """
        needs_read = self._must_read or self._is_late(now)
        if isinstance(woken, Handover) and not needs_read and not self._is_full(woken):
            self._handed_at = self._handed_at if self._handed else now
            self._handed.append(woken)
        else:
            self._must_read = True
            self._handed.clear()
        self.woken.set()

    def settled(self, rest: Rest | None) -> None:
        """Note the state of the lane after a batch; None: its next events need a read."""
        self._rest = rest

    def take(self, now: float) -> tuple[LaneWork, float] | None:
        """Take the events that were handed over since the last call. Call it before a read, which returns them, too.

        Returns: what a read would return, and its time by the monotonic clock; None: read the lane.
        """
        handed, must_read, is_late = self._handed, self._must_read, self._is_late(now)
        self._handed, self._must_read = [], False
        if is_late or must_read or not handed or self._rest is None:
            return None
        work = work_of(self._rest, handed)
        return None if work is None else (work, self._handed_at)

    def _is_late(self, now: float) -> bool:
        """Return whether the first event has waited for too long. So little is kept while a slow receiver answers."""
        return bool(self._handed) and now > self._handed_at + _FRESH_FOR.total_seconds()

    def _is_full(self, more: Handover) -> bool:
        return sum(len(one.events) for one in self._handed) + len(more.events) > MAX_READ_EVENTS
