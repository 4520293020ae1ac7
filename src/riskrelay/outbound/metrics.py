"""What is counted, for Prometheus. The names are fixed: dashboards and alerts read them."""

from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from riskrelay.delivery.attempts import Attempt, Ledger
from riskrelay.ssf.outcomes import OutcomeKind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400)


class PrometheusMetrics:
    """Implements ports.Metrics, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._findings = self._counter("findings", "Findings by what became of them.", "result")
        self._activity = self._counter("activity", "Activity by what became of it.", "result")
        self._deliveries = self._counter("deliveries", "Attempts by their outcome.", "outcome")
        self._latency = Histogram(
            "riskrelay_delivery_latency_seconds",
            "From the moment an event was queued to its receipt.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._imbalance = self._gauge("ledger_imbalance", "Events that are in no state or in two: 0, always.")
        self._oldest = self._gauge("oldest_undelivered_seconds", "Age of the oldest undelivered event.")
        self._ledger = Gauge(
            "riskrelay_ledger_events", "Events by stream and state.", ["stream", "state"], registry=self._registry
        )

    def count_findings(self, accepted: int, duplicates: int, ignored: int) -> None:
        """Count one request's findings."""
        self._findings.labels("accepted").inc(accepted)
        self._findings.labels("duplicate").inc(duplicates)
        self._findings.labels("ignored").inc(ignored)

    def count_activity(self, accepted: int, duplicates: int, ignored: int, late: int) -> None:
        """Count one request's activity."""
        for result, count in (("accepted", accepted), ("duplicate", duplicates), ("ignored", ignored), ("late", late)):
            self._activity.labels(result).inc(count)

    def count_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Count one batch's attempts."""
        for attempt in attempts:
            self._deliveries.labels(attempt.outcome.kind.value).inc()
            if attempt.outcome.kind is OutcomeKind.ACCEPTED:
                self._latency.observe(attempt.latency.total_seconds())

    def exposition(self, ledgers: Sequence[Ledger]) -> bytes:
        """Everything in Prometheus' text form, with *ledgers* as they are now."""
        self._imbalance.set(sum(abs(ledger.imbalance) for ledger in ledgers))
        ages = [ledger.oldest_pending.total_seconds() for ledger in ledgers if ledger.oldest_pending is not None]
        self._oldest.set(max(ages, default=0))
        self._ledger.clear()
        for ledger in ledgers:
            for state in ("queued", "delivered", "pending", "dead", "expired", "cancelled"):
                self._ledger.labels(ledger.stream_id, state).set(getattr(ledger, state))
        return generate_latest(self._registry)

    def _counter(self, name: str, documentation: str, label: str) -> Counter:
        return Counter(f"riskrelay_{name}", documentation, [label], registry=self._registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"riskrelay_{name}", documentation, registry=self._registry)
