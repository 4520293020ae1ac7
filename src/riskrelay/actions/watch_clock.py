"""Watch the database's clock, so that a clock step neither expires events nor delays them."""

from dataclasses import replace
from datetime import timedelta

import structlog

from riskrelay.core.delivery.clock import BACKWARD, ClockReading
from riskrelay.ports import Services

_log = structlog.get_logger()

RECORD_EVERY = timedelta(minutes=1)  # guessed: ages are days, so a reading that is a minute old is precise enough


class ClockWatch:
    """Watches the database's clock for one process.

    Call `check` every second. Each call finds a step since the previous one.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._before: ClockReading | None = None
        self._recorded_at = 0.0

    async def check(self) -> timedelta:
        """Compare the clock with the last reading. Record a step at once, and a reading once a minute.

        Returns: the size of the step; zero: no step.
        """
        monotonic = self._services.clock.monotonic()
        before = self._before
        if before is not None and monotonic - self._recorded_at < RECORD_EVERY.total_seconds():
            reading = await self._services.store.read_installation(lambda tx: tx.clock.read(monotonic))
            elapsed = timedelta(seconds=monotonic - before.monotonic)
            if abs(reading.now - before.now - elapsed) < BACKWARD:
                self._before = self._ended(reading)
                return timedelta(0)
        reading, step = await self._services.store.write_installation(lambda tx: tx.clock.observe(before, monotonic))
        self._before = self._ended(reading)
        self._recorded_at = monotonic
        if step:
            _log.warning("database_clock_stepped", seconds=round(step.total_seconds()), watched=before is not None)
        return step

    def _ended(self, reading: ClockReading) -> ClockReading:
        """Return the reading with the time at its end.

        At least the time from the end of one reading to the start of the next passes between the two. So a slow
        database is not mistaken for a clock that was set back.
        """
        return replace(reading, monotonic=self._services.clock.monotonic())
