"""What the console needs of a store and nothing else does."""

from collections.abc import Iterator, Mapping, Sequence
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
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports.findings import RecordedFinding

RiskPlace = tuple[RiskLevel, datetime, UserId]
"""Level, last event and id of a user: their place among those at risk."""

FindingPlace = tuple[int, datetime, FindingId]
"""Resets, time and id of a finding: its place in a user's story."""


@dataclass(frozen=True, slots=True)
class Told:
    """A security event about a user, and what became of it.

    Attributes:
        event: by event type, its members.
    """

    delivery: Delivery
    integration: Integration
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPlace:
    """Where a delivery is in the list of those about one subject."""

    queued_at: datetime
    stream_id: StreamId
    lane: int
    seq: int


class Sessions(Protocol):
    """Who is signed in to the console."""

    def add(self, session: Session) -> None:
        """Store a new one."""

    def by_hash(self, session_hash: bytes) -> Session | None:
        """The session with that hash, and its token as it is now; None also when the token was revoked."""

    def note_seen(self, session: Session, at: datetime) -> None:
        """Write down that somebody was there."""

    def end(self, session: Session) -> None:
        """Forget one."""

    def end_oldest(self, token: StoredToken, keep: int) -> None:
        """End the oldest sessions of a token, so that the *keep* latest are left."""

    def forget_started_before(self, moment: datetime) -> None:
        """Forget those that are too old to be good for anything."""


class UserViews(Protocol):
    """What people are shown of the account's users; each answer is bounded by a limit of at least 1."""

    def at_risk(self, level: RiskLevel | None, after: RiskPlace | None, limit: int) -> list[Standing]:
        """Users with that level, or with any, behind *after*: the highest level first, then the latest event."""

    def each_at_risk(self, batch: int) -> Iterator[Sequence[Standing]]:
        """Yield all users with a level, *batch* at a time, as they were when the first was read: the highest level
        first, then the latest event. Holds one batch in memory."""

    def by_email(self, start: str, after: str | None, limit: int) -> list[Standing]:
        """Users whose e-mail starts so, in any letter case, behind the email_key *after*, in the order of e-mails."""

    def findings(self, user_id: UserId, after: FindingPlace | None, limit: int) -> list[RecordedFinding]:
        """Return what was found about a user, also before resets, behind *after*, the latest first."""

    def told(self, subject_key: str, moments: Sequence[datetime], limit: int) -> list[Told]:
        """Return what was queued about a subject at exactly those moments, on all existing streams, at most *limit*
        deliveries in the order of *moments*."""

    def told_page(self, subject_key: str, after: ToldPlace | None, limit: int) -> list[Told]:
        """Return everything that was queued about a subject on existing streams, behind *after*, the latest first."""


@dataclass(frozen=True, slots=True)
class Standings:
    """How many users stand alike.

    Attributes:
        triggered: the behaviors that they triggered since their last reset.
    """

    triggered: frozenset[BehaviorId]
    level: RiskLevel
    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What an account held at one moment.

    Attributes:
        ledger: of all its streams together; its `stream_id` is empty.
        standings: of the users at risk.
        receipts: how many of the latest receipts the latencies are of.
        latency_p50, latency_p99: from the moment an event was queued to its receipt; None: there was no receipt.
        known_users: all users, at risk or not.
    """

    taken_at: datetime
    ledger: Ledger
    standings: Sequence[Standings]
    receipts: int
    latency_p50: timedelta | None
    latency_p99: timedelta | None
    known_users: int

    def users(self, level: RiskLevel) -> int:
        """How many users had that level."""
        return sum(one.users for one in self.standings if one.level is level)


FindingCounts = Mapping[tuple[datetime, BehaviorId], int]
"""How many findings there were of a behavior within the minute, or the longer time, that began then."""


class Stocks(Protocol):
    """What is counted beforehand, so that looking counts nothing. It is for charts, and may lag or miss a little."""

    def count(self) -> Stock:
        """Count everything now: as long as that takes."""

    def keep(self, stock: Stock) -> None:
        """Store it as the latest, its levels also as those of its minute; forget minutes that are two days old."""

    def latest(self) -> Stock | None:
        """The one that was kept last."""

    def levels(self, since: datetime, step: timedelta) -> Mapping[datetime, Sequence[int]]:
        """By the beginning of each *step*, the most users that had each level, lowest level first."""

    def add_findings(self, counts: FindingCounts) -> None:
        """Add to the counts of minutes."""

    def findings(self, since: datetime, step: timedelta) -> FindingCounts:
        """How many findings each *step* brought."""
