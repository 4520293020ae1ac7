"""The metrics, for Prometheus. The names are fixed, because dashboards and alerts use them.

No metric has a label for an account, an integration or a user: thousands of them would make every scrape thousands of
rows, and a scrape requires no credentials. The health endpoints of the API name the integrations.
"""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from functools import partial

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.survey import LaneCondition, Survey
from riskrelay.core.sources.sources import Counts
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.ports import StoreLoad
from riskrelay.telemetry.attempt_log import PHASES
from riskrelay.telemetry.histograms import Histogram
from riskrelay.telemetry.siblings import Siblings, of_all

_REFUSALS = ("no_credentials", "malformed", "unknown", "forbidden")
_RESULTS = ("accepted", "duplicate", "ignored")
_NOTIFICATION_RESULTS = ("sent", "failed", "given_up")
_LEDGER_STATES = ("queued", "delivered", "pending", "dead", "expired", "cancelled", "erased", "superseded")


class PrometheusMetrics:
    """Implements ports.Metrics with two registries: the counts of the process and the contents of the database.

    Args:
        siblings: the processes that share the port of this one. Their counts are exposed, too.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, siblings: Siblings | None = None) -> None:
        self._siblings = siblings
        self._registry = CollectorRegistry()
        self._findings = self._counter("findings", "Findings received, by result.", "result", *_RESULTS)
        self._activity = self._counter("activity", "Activity received, by result.", "result", *_RESULTS, "late")
        self._refused = self._counter(
            "authentication_refused", "Requests with rejected credentials, by reason.", "reason", *_REFUSALS
        )
        self._receiver_refusals = Counter(
            "riskrelay_receiver_refusals",
            "Rejected requests of receivers, by operation and error.",
            ["operation", "error"],
            registry=self._registry,
        )
        self._source_events = Counter(
            "riskrelay_source_events",
            "Events of sources by what became of them, by the kind of the source and the reason.",
            ["kind", "became", "reason"],
            registry=self._registry,
        )
        self._rule_failures = Counter(
            "riskrelay_rule_failures", "Failed evaluations of accounts' rules.", registry=self._registry
        )
        self._notifications = self._counter(
            "notifications", "Attempts to send a notification, by result.", "result", *_NOTIFICATION_RESULTS
        )
        self._deliveries = self._counter("deliveries", "Delivery attempts, by outcome.", "outcome")
        self._failures = self._counter(
            "attempt_failures", "Delivery attempts that were not accepted, by reason.", "reason"
        )
        self._latency = self._histogram(
            "delivery_latency", "Delivery latency: time from queueing an event to its acceptance by the receiver."
        ).of()
        self._duration = self._histogram("attempt_duration", "Duration of a delivery attempt, including signing.").of()
        phases = self._histogram("attempt_phase", "Duration of one phase of a delivery attempt.", "phase")
        self._phases = [phases.of(phase) for phase in PHASES]
        self._outcomes = {kind: self._deliveries.labels(kind.value) for kind in OutcomeKind}
        self._found = CollectorRegistry()
        self._up = Gauge(
            "riskrelay_database_up", "1 if the database can be read and written, otherwise 0.", registry=self._found
        )
        self._survey = _SurveyGauges(self._found)
        self._load = _LoadGauges(self._registry)
        for collect in (ProcessCollector, PlatformCollector, GCCollector):
            collect(registry=self._registry)

    def count_findings(self, accepted: int, duplicates: int, ignored: int) -> None:
        """Count one request's findings."""
        self._findings.labels("accepted").inc(accepted)
        self._findings.labels("duplicate").inc(duplicates)
        self._findings.labels("ignored").inc(ignored)

    def count_activity(self, accepted: int, duplicates: int, ignored: int, late: int) -> None:
        """Count one request's activity."""
        for result, count in (("accepted", accepted), ("duplicate", duplicates), ("ignored", ignored), ("late", late)):
            self._activity.labels(result).inc(count)

    def count_source_events(self, kind: str, counts: Counts) -> None:
        """Count the results of one request's events, for a source of that kind."""
        for (became, reason), count in counts.items():
            self._source_events.labels(kind, became.value, "" if reason is None else reason.value).inc(count)

    def count_rule_failures(self, failures: int) -> None:
        """Count failed evaluations of accounts' rules."""
        self._rule_failures.inc(failures)

    def count_notification(self, result: str) -> None:
        """Count one attempt to send a notification."""
        self._notifications.labels(result).inc()

    def count_refused_authentication(self, reason: str) -> None:
        """Count one request whose credentials were refused."""
        self._refused.labels(reason).inc()

    def count_receiver_refusal(self, operation: str, error: str) -> None:
        """Count one request of a receiver that was refused."""
        self._receiver_refusals.labels(operation, error).inc()

    def count_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Count one batch's attempts."""
        for kind, count in Tally(attempt.outcome.kind for attempt in attempts).items():
            self._outcomes[kind].inc(count)
        for attempt in attempts:
            if attempt.outcome.kind is not OutcomeKind.ACCEPTED:
                self._failures.labels(attempt.outcome.reason).inc()
        accepted = [attempt for attempt in attempts if attempt.outcome.kind is OutcomeKind.ACCEPTED]
        self._latency.observe([attempt.latency.total_seconds() for attempt in accepted])
        self._duration.observe([attempt.duration.total_seconds() for attempt in attempts])
        phases = zip(*[(attempt.signing, *attempt.outcome.phases) for attempt in attempts], strict=True)
        for durations, took in zip(self._phases, phases, strict=False):  # no attempts, no phases
            durations.observe([one.total_seconds() for one in took if one is not None])

    def read_gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show a number that is read at each scrape."""
        Gauge(f"riskrelay_{name}", documentation, registry=self._registry).set_function(read)

    def read_counter(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show a number that only grows, read at each scrape."""
        self._registry.register(_ReadCounter(f"riskrelay_{name}", documentation, read))

    def own_exposition(self, load: StoreLoad) -> bytes:
        """Return the counts of this process, in Prometheus' text format."""
        self._load.show(load)
        return generate_latest(self._registry)

    async def exposition(self, survey: Survey | None, load: StoreLoad, *, writable: bool) -> bytes:
        """Return all metrics in Prometheus' text format, with the latest survey of the database."""
        counted = self.own_exposition(load)
        if self._siblings is not None:
            counted = of_all({self._siblings.number: counted, **await self._siblings.ask()})
        self._up.set(survey is not None and writable)
        if survey is not None:
            self._survey.show(survey)
        return generate_latest(self._found) + counted

    def _counter(self, name: str, documentation: str, label: str, *values: str) -> Counter:
        """Return a counter that starts at 0 for *values*, so that a rate includes the first count."""
        counter = Counter(f"riskrelay_{name}", documentation, [label], registry=self._registry)
        for value in values:
            counter.labels(value)
        return counter

    def _histogram(self, name: str, documentation: str, *labels: str) -> Histogram:
        histogram = Histogram(f"riskrelay_{name}_seconds", documentation, labels)
        self._registry.register(histogram)
        return histogram


class _ReadCounter(Collector):
    """A counter whose value is kept elsewhere."""

    def __init__(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._name, self._documentation, self._read = name, documentation, read

    def describe(self) -> list[CounterMetricFamily]:
        """Its name, before there is a value."""
        return [CounterMetricFamily(self._name, self._documentation)]

    def collect(self) -> list[CounterMetricFamily]:
        """Its value now."""
        return [CounterMetricFamily(self._name, self._documentation, value=self._read())]


class _SurveyGauges:
    """The contents of the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(f"riskrelay_{name}", documentation, labels, registry=registry)

        self._imbalance = gauge("ledger_imbalance", "Events that are in no state or in two states. Must be 0.")
        self._oldest = gauge("oldest_undelivered_seconds", "Age of the oldest undelivered event.")
        self._ledger = gauge("ledger_events", "Events of all streams, by state.", "state")
        self._lanes = gauge("lanes", "Lanes, by condition.", "condition")
        self._streams = gauge("streams", "Streams, by status.", "status")
        self._rejecting = gauge(
            "rejecting_streams", "Enabled streams whose receivers rejected at least half of their last 20 events."
        )
        self._key_age = gauge(
            "signing_key_age_seconds", "Time since the current signing key became active.", "algorithm"
        )
        self._silent = gauge("silent_sources", "Active sources without an event for longer than they allow.")
        self._refusing = gauge("refusing_sources", "Active sources whose events of the last day were all refused.")
        self._overdue = gauge("overdue_levels", "Users whose risk level should have been decided again by now.")
        self._oldest_overdue = gauge("oldest_overdue_level_seconds", "Time since the first of them should have been.")
        self._bytes = gauge("database_bytes", "Size of the database on disk.")

    def show(self, survey: Survey) -> None:
        """Take the numbers over."""
        ledgers = survey.ledgers
        self._imbalance.set(sum(abs(ledger.imbalance) for ledger in ledgers))
        ages = [ledger.oldest_pending.total_seconds() for ledger in ledgers if ledger.oldest_pending is not None]
        self._oldest.set(max(ages, default=0))
        for state in _LEDGER_STATES:
            self._ledger.labels(state).set(sum(getattr(ledger, state) for ledger in ledgers))
        for condition in LaneCondition:
            self._lanes.labels(condition.value).set(survey.lanes.get(condition, 0))
        for status in StreamStatus:
            self._streams.labels(status.value).set(survey.streams.get(status.value, 0))
        self._rejecting.set(survey.rejecting)
        for algorithm, age in survey.key_ages.items():
            self._key_age.labels(algorithm.value).set(age.total_seconds())
        self._silent.set(survey.silent_sources)
        self._refusing.set(survey.refusing_sources)
        self._overdue.set(survey.overdue_levels)
        self._oldest_overdue.set(survey.oldest_overdue_level.total_seconds())
        self._bytes.set(survey.database_bytes)


class _LoadGauges:
    """The load of this process's database connections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(f"riskrelay_{name}", documentation, labels, registry=registry)

        def counter(name: str, documentation: str) -> None:
            read = partial(self._grown.__getitem__, name)
            registry.register(_ReadCounter(f"riskrelay_store_{name}", documentation, read))

        self._grown = {"transactions": 0, "commits": 0}
        self._waiting = gauge("store_waiting", "Transactions waiting for the writer or for a connection.")
        self._in_use = gauge("store_connections_in_use", "Database connections in use.")
        self._most = gauge("store_connections", "Maximum number of database connections.")
        self._free = gauge("disk_free_bytes", "Free space on the disk of the SQLite file.", "disk")
        self._wal = gauge("database_wal_bytes", "Size of the write-ahead log of the SQLite file.", "disk")
        counter("transactions", "Write transactions.")
        counter("commits", "Durable commits. Transactions divided by commits is the size of a group commit.")

    def show(self, load: StoreLoad) -> None:
        """Take the numbers over."""
        self._waiting.set(load.waiting)
        self._in_use.set(load.connections_in_use)
        self._most.set(load.connections)
        self._grown.update(transactions=load.transactions, commits=load.commits)
        if load.disk_free_bytes is not None:  # with PostgreSQL there is no such number
            self._free.labels("database").set(load.disk_free_bytes)
        if load.wal_bytes is not None:
            self._wal.labels("database").set(load.wal_bytes)
