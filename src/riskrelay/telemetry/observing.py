"""The observers of what happens: counters, the log, traces if an exporter is configured, and the process itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from cryptography.x509 import load_pem_x509_certificate
from starlette.applications import Starlette

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Clock, Store
from riskrelay.telemetry.attempt_log import log_attempts
from riskrelay.telemetry.log_sink import LogSink
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.telemetry.siblings import Siblings

if TYPE_CHECKING:
    from riskrelay.telemetry.tracing import Traces

_log = structlog.get_logger()

_EVERY_SECONDS = 0.5  # chosen: costs nothing, and a scrape every few seconds sees a recent number


class Observers:
    """Implements ports.Observer."""

    def __init__(self, metrics: PrometheusMetrics, traces: "Traces | None" = None) -> None:
        self.metrics = metrics
        self._traces = traces

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        try:
            self.metrics.count_attempts(attempts)
            log_attempts(lane, stream, attempts)
            if self._traces is not None:
                self._traces.attempted(lane, stream, attempts)
        except Exception as error:  # noqa: BLE001  an observer that fails must not stop delivery
            _log.error("not_observed", stream=lane.stream_id, exc_info=error)

    @property
    def trace(self) -> bool:
        """Whether traces are created."""
        return self._traces is not None

    def over(self, store: Store) -> Store:
        """Return the store, with spans for queued events if traces are created."""
        return store if self._traces is None else self._traces.over(store)

    def attend(self, app: Starlette) -> None:
        """Return the app, with spans for requests if traces are created."""
        if self._traces is not None:
            self._traces.attend(app)


def new_observers(siblings: Siblings | None = None) -> Observers:
    """Return the observers of a process. OpenTelemetry's standard variables decide whether it creates traces."""
    metrics = PrometheusMetrics(siblings)
    wanted = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_"))
    refused = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if not wanted or refused:
        return Observers(metrics)
    try:
        from riskrelay.telemetry.tracing import Traces
    except ImportError as error:
        _log.error(
            "no_traces", missing=error.name, fix="pip install 'riskrelay[otel]', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        )
        return Observers(metrics)
    return Observers(metrics, Traces())


def show_certificate(metrics: PrometheusMetrics, chain: Path) -> None:
    """Show when the certificate that this process has just loaded ends."""
    ends = load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc.timestamp()
    metrics.read_gauge(
        "tls_certificate_expiry_timestamp_seconds", "Expiry time of the served TLS certificate.", lambda: ends
    )


class ProcessWatch:
    """Exposes the state of this process: dropped log lines, and the lag of its event loop."""

    def __init__(self, metrics: PrometheusMetrics, log: LogSink, clock: Clock) -> None:
        self._clock = clock
        self._lag = 0.0
        metrics.read_gauge("event_loop_lag_seconds", "Event loop lag in seconds.", lambda: self._lag)
        metrics.read_counter("log_lines_dropped", "Log lines dropped because the sink was full.", lambda: log.dropped)

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
