"""What observes the service: metrics, and observers of attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.survey import Survey
from riskrelay.core.sources.sources import Counts
from riskrelay.core.ssf.streams import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLoad:
    """The load of the database, as one process sees it.

    Attributes:
        waiting: transactions that wait for the writer, or for a connection.
        connections_in_use, connections: the connections of the pool; with SQLite, of its readers.
        transactions, commits: the numbers of writing transactions and of durable commits; grouped writes share a
            commit.
        disk_free_bytes: the free disk space at the database's file; None with PostgreSQL.
        wal_bytes: the size of SQLite's write-ahead log; None with PostgreSQL.
    """

    waiting: int
    connections_in_use: int
    connections: int
    transactions: int
    commits: int
    disk_free_bytes: int | None
    wal_bytes: int | None


class Metrics(Protocol):
    """Counters for monitoring."""

    content_type: str

    def count_findings(self, accepted: int, duplicates: int, ignored: int) -> None:
        """Count one request's findings."""

    def count_activity(self, accepted: int, duplicates: int, ignored: int, late: int) -> None:
        """Count one request's activity."""

    def count_source_events(self, kind: str, counts: Counts) -> None:
        """Count the results of one request's events of a source of that kind."""

    def count_rule_failures(self, failures: int) -> None:
        """Count failed evaluations of accounts' rules."""

    def count_notification(self, result: str) -> None:
        """Count one attempt to send a notification.

        Args:
            result: sent, failed or given_up.
        """

    def count_refused_authentication(self, reason: str) -> None:
        """Count one request whose credentials were refused.

        Args:
            reason: no_credentials, malformed, unknown or forbidden.
        """

    def count_receiver_refusal(self, operation: str, error: str) -> None:
        """Count one request of a receiver that was refused.

        Args:
            operation: a `ReceiverOperation`.
            error: the code in the response.
        """

    async def exposition(self, survey: Survey | None, load: StoreLoad, *, writable: bool) -> bytes:
        """Return all counters and the state of the database in Prometheus' text format.

        Args:
            survey: None: the database does not respond.
            writable: whether the database accepts writes.
        """


class Observer(Protocol):
    """Observes settled attempts. It never waits and never fails, so delivery does not depend on it."""

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        """Observe the settled attempts of one lane, in the order in which they ended."""
