"""The operations of a store that only the console uses."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from riskrelay.core.credentials import Session, StoredToken
from riskrelay.core.delivery.attempts import Delivery, Ledger
from riskrelay.core.integrations import Integration
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import ANY_RISK, RiskFilter
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports.findings import RecordedFinding

RiskPlace = tuple[RiskLevel, datetime, UserId]
"""Level, last event and id of a user: their place among those at risk."""

FindingPlace = tuple[int, datetime, FindingId]
"""Resets, time and id of a finding: its place in a user's story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """A security event about a user, and its delivery.

    Attributes:
        event: the members of the event, by event type.
        txn: the id of the level change or request that caused the event.
    """

    delivery: Delivery
    integration: Integration
    event: Mapping[str, Any]
    txn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEventPlace:
    """The position of a delivery in the list of deliveries about one subject."""

    queued_at: datetime
    stream_id: StreamId
    lane: int
    seq: int


class Sessions(Protocol):
    """The sessions of users of the console."""

    def add(self, session: Session) -> None:
        """Store a new session."""

    def by_hash(self, session_hash: bytes) -> Session | None:
        """Return the session with that hash and its current token; None if the token was revoked or does not exist."""

    def note_seen(self, session: Session, at: datetime) -> None:
        """Store the time of the session's latest request."""

    def end(self, session: Session) -> None:
        """Delete a session."""

    def end_oldest(self, token: StoredToken, keep: int) -> None:
        """Delete all but the *keep* latest sessions of a token."""

    def delete_started_before(self, moment: datetime) -> None:
        """Delete sessions that started before *moment*. They have expired."""


class UserViews(Protocol):
    """Queries on the account's users for the console. Each result is bounded by a limit of at least 1."""

    def at_risk(self, wanted: RiskFilter, after: RiskPlace | None, limit: int) -> list[Standing]:
        """Return users that *wanted* matches, after *after*: the highest level first, then the latest event."""

    def count_at_risk(self, wanted: RiskFilter, limit: int | None) -> int:
        """Return the number of users that *wanted* matches, at most *limit*; None: count all."""

    def each_at_risk(self, batch: int) -> Iterator[Sequence[Standing]]:
        """Yield all users with a level, *batch* at a time: the highest level first, then the latest event.

        All batches show the same snapshot. One batch is in memory at a time.
        """

    def by_email(self, start: str, after: str | None, limit: int, wanted: RiskFilter = ANY_RISK) -> list[Standing]:
        """Return users whose e-mail starts with *start*, ignoring case, in the order of e-mails, after *after*.

        Args:
            wanted: conditions; without a level also users who are not at risk match.
        """

    def by_part(self, part: str, limit: int, wanted: RiskFilter = ANY_RISK) -> list[Standing]:
        """Return users whose e-mail or name contains *part*, ignoring the case of ASCII letters, by e-mail.

        No index finds parts, so only the first 100,000 users of the account are read.

        Args:
            wanted: as in `by_email`.
        """

    def findings(self, user_id: UserId, after: FindingPlace | None, limit: int) -> list[RecordedFinding]:
        """Return a user's findings, including those before resets, after *after*, the latest first."""

    def findings_with(self, finding_ids: Collection[FindingId]) -> list[RecordedFinding]:
        """Return the stored findings with those ids, with as many details as one response can have."""

    def events_at(self, subject_key: str, moments: Sequence[datetime], limit: int) -> list[UserEvent]:
        """Return the events about a subject that were queued at exactly those times, on existing streams.

        Returns: at most *limit* deliveries for each moment, in the order of *moments*, which are distinct.
        """

    def events_page(self, subject_key: str, after: UserEventPlace | None, limit: int) -> list[UserEvent]:
        """Return the events about a subject on existing streams, after *after*, the latest first."""


@dataclass(frozen=True, slots=True)
class Standings:
    """The number of users with the same level and the same triggered behaviors.

    Attributes:
        triggered: the behaviors that the users triggered since their last reset.
    """

    triggered: frozenset[BehaviorId]
    level: RiskLevel
    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The counts of an account at one time.

    Attributes:
        ledger: the sum over all streams; its `stream_id` is empty.
        standings: the counts of users at risk.
        receipts: the number of latest receipts that the latencies cover.
        latency_p50, latency_p99: the time from queueing an event to its receipt; None: no receipt exists.
        known_users: the number of all users, at risk or not.
    """

    taken_at: datetime
    ledger: Ledger
    standings: Sequence[Standings]
    receipts: int
    latency_p50: timedelta | None
    latency_p99: timedelta | None
    known_users: int

    def users(self, level: RiskLevel) -> int:
        """Return the number of users with that level."""
        return sum(one.users for one in self.standings if one.level is level)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """The largest counts of deliveries in one step of a chart.

    Attributes:
        delivered, dead: since the beginning, at the end of the step.
        pending: the largest number of waiting events.
        latency_p50, latency_p99: the longest, as in `Stock`; None: no receipt exists.
    """

    delivered: int
    pending: int
    dead: int
    latency_p50: timedelta | None
    latency_p99: timedelta | None


FindingCounts = Mapping[tuple[datetime, BehaviorId], int]
"""The number of findings, by behavior and by the start of the minute or longer interval."""


class Stocks(Protocol):
    """Counts that are stored in advance, so that pages of the console need no counting. They may lag a little."""

    def count(self) -> Stock:
        """Count the account's data now. This may take long."""

    def keep(self, stock: Stock) -> None:
        """Store the latest counts, and those of their minute for charts. Delete chart data older than two days."""

    def latest(self) -> Stock | None:
        """Return the latest stored counts."""

    def levels(self, since: datetime, step: timedelta) -> Mapping[datetime, Sequence[int]]:
        """Return the largest number of users with each level, lowest level first, by the start of each *step*."""

    def deliveries(self, since: datetime, step: timedelta) -> Mapping[datetime, DeliveryCounts]:
        """Return the counts of deliveries, by the start of each *step* in which they were counted."""

    def add_findings(self, counts: FindingCounts) -> None:
        """Add findings to the counts of their minutes."""

    def findings(self, since: datetime, step: timedelta) -> FindingCounts:
        """Return the number of findings in each *step*."""
