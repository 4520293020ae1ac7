"""Gauges and counters that are read from other objects at each scrape."""

from math import nan

from riskrelay.engine.worker import Worker
from riskrelay.local.geolocation import GeolocationFiles
from riskrelay.ports import Clock
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.web.server.admission import Admission


def show_worker(metrics: PrometheusMetrics, worker: Worker) -> None:
    """Expose the lanes and the batches of a process that delivers."""
    metrics.read_gauge("lanes_held", "Lanes held by this process.", lambda: worker.lanes_held)
    metrics.read_gauge(
        "unsettled_batches",
        "Pushed batches whose outcomes are not stored yet.",
        lambda: worker.unsettled_batches,
    )
    metrics.read_counter("sweeps", "Scans for due lanes.", lambda: worker.sweeps)
    metrics.read_counter("claims", "Lanes claimed.", lambda: worker.claims)


def show_geolocation(metrics: PrometheusMetrics, geolocation: GeolocationFiles, clock: Clock) -> None:
    """Expose the age of the geolocation databases, and how many of them cannot be read."""

    def age() -> float:
        built_at = geolocation.oldest_build
        return nan if built_at is None else (clock.now() - built_at).total_seconds()

    metrics.read_gauge(
        "geolocation_age_seconds", "Age of the oldest geolocation database in use, by its own build time.", age
    )
    metrics.read_gauge(
        "geolocation_files_unreadable",
        "Files of RISKRELAY_GEOIP that cannot be read; earlier versions stay in use.",
        lambda: len(geolocation.problems),
    )


def show_connections(metrics: PrometheusMetrics, admission: Admission) -> None:
    """Expose the client connections of the main port."""
    metrics.read_gauge("connections_open", "Open client connections on the main port.", lambda: admission.open)
    metrics.read_counter(
        "connections_refused",
        "Client connections rejected because all allowed connections were busy.",
        lambda: admission.refused,
    )
    metrics.read_counter(
        "connections_evicted",
        "Idle client connections closed to make room for new ones.",
        lambda: admission.evicted,
    )
