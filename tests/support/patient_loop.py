"""An event loop whose clock does not count the time in which this process was not run.

A test with a deadline of 0.3 s would otherwise fail when the machine runs other processes for so long. Both ends of a
connection run on this loop, so what they do takes a round of the loop, and a round takes at most `ROUND_SECONDS` of its
time, apart from the time that it waits for.
"""

import asyncio
import selectors
import time

ROUND_SECONDS = 0.02


class _PatientSelector(selectors.DefaultSelector):
    """Measures what a round of the loop took too long.

    Attributes:
        lost_seconds: the time that the loop's clock does not count.
        round_began: when the callbacks of this round began, by the monotonic clock; None: there was no round yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost_seconds = 0.0
        self.round_began: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as the loop asks. A wait without a timeout counts in full: no timer runs meanwhile."""
        began = time.monotonic()
        if self.round_began is not None:
            self._lose(began - self.round_began)
        found = super().select(timeout)
        self.round_began = time.monotonic()
        if timeout is not None:
            self._lose(self.round_began - began - max(timeout, 0))
        return found

    def _lose(self, seconds: float) -> None:
        self.lost_seconds += max(seconds - ROUND_SECONDS, 0)


class PatientLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with the clock described above."""

    def __init__(self) -> None:
        self._patient_selector = _PatientSelector()
        super().__init__(self._patient_selector)

    def time(self) -> float:
        """Return the seconds that the loop was run or waited."""
        now, began = super().time(), self._patient_selector.round_began
        if began is not None:  # the clock never goes back: what this round loses is not counted even now
            now = min(now, began + ROUND_SECONDS)
        return now - self._patient_selector.lost_seconds


class PatientPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes patient loops, also for asyncio.run."""

    _loop_factory = PatientLoop
