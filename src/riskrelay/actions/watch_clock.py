"""Watch the database's clock, so that a step of it lets nothing expire and keeps nothing waiting."""

from dataclasses import replace
from datetime import timedelta

import structlog

from riskrelay.core.delivery.clock import BACKWARD, ClockReading
from riskrelay.ports import Outside

_log = structlog.get_logger()

RECORD_EVERY = timedelta(minutes=1)  # guessed: ages are days, so they may be judged by a reading that is a minute old


class ClockWatch:
    """One process's watch on the database's clock.

    Call it every second: a step is found by the next call.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._before: ClockReading | None = None
        self._recorded_at = 0.0

    async def check(self) -> timedelta:
        """Compare the clock with the last reading; record a step at once, and a steady clock once a minute.

        Returns: how far the clock has jumped; zero: not at all.
        """
        monotonic = self._outside.clock.monotonic()
        before = self._before
        if before is not None and monotonic - self._recorded_at < RECORD_EVERY.total_seconds():
            reading = await self._outside.store.read_installation(lambda tx: tx.clock.read(monotonic))
            elapsed = timedelta(seconds=monotonic - before.monotonic)
            if abs(reading.now - before.now - elapsed) < BACKWARD:
                self._before = self._ended(reading)
                return timedelta(0)
        reading, step = await self._outside.store.write_installation(lambda tx: tx.clock.observe(before, monotonic))
        self._before = self._ended(reading)
        self._recorded_at = monotonic
        if step:
            _log.warning("database_clock_stepped", seconds=round(step.total_seconds()), watched=before is not None)
        return step

    def _ended(self, reading: ClockReading) -> ClockReading:
        """Note when a reading was over.

        At least the time from the end of one reading to the start of the next passes between the two. So a database
        that answers slowly is not mistaken for a clock that was put back.
        """
        return replace(reading, monotonic=self._outside.clock.monotonic())
