"""Who hears what happened: the counters and the log; and what this process says about itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from riskrelay.delivery.attempts import Attempt
from riskrelay.delivery.lanes import LaneKey
from riskrelay.outbound.attempt_log import log_attempts
from riskrelay.outbound.log_sink import LogSink
from riskrelay.outbound.metrics import PrometheusMetrics
from riskrelay.ports import Clock
from riskrelay.ssf.streams import Stream

_log = structlog.get_logger()

_EVERY_SECONDS = 0.5  # chosen: costs nothing, and a scrape every few seconds sees a recent number


class Observers:
    """Implements ports.Observer."""

    def __init__(self, metrics: PrometheusMetrics) -> None:
        self._metrics = metrics

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        try:
            self._metrics.count_attempts(attempts)
            log_attempts(lane, stream, attempts)
        except Exception as error:  # noqa: BLE001  whatever is wrong here, delivery goes on
            _log.error("not_observed", stream=lane.stream_id, exc_info=error)


class ProcessWatch:
    """Shows how this process is doing: log lines that nobody could take, how long its event loop is blocked."""

    def __init__(self, metrics: PrometheusMetrics, log: LogSink, clock: Clock) -> None:
        self._clock = clock
        self._lag = 0.0
        metrics.read_gauge("event_loop_lag_seconds", "How late the last timer came.", lambda: self._lag)
        metrics.read_counter("log_lines_dropped", "Log lines that nobody could take.", lambda: log.dropped)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Measure while the block runs."""
        measuring = asyncio.create_task(self._measure())
        try:
            yield
        finally:
            measuring.cancel()

    async def _measure(self) -> None:
        while True:
            began = self._clock.monotonic()
            await self._clock.sleep(_EVERY_SECONDS)
            self._lag = max(self._clock.monotonic() - began - _EVERY_SECONDS, 0.0)
