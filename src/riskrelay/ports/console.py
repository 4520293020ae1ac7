"""What the console needs of a store and nothing else does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from riskrelay.credentials import Session
from riskrelay.delivery.attempts import Delivery
from riskrelay.integrations import Integration
from riskrelay.ports.findings import RecordedFinding
from riskrelay.risk.assessment import Standing
from riskrelay.risk.findings import FindingId, UserId
from riskrelay.risk.levels import RiskLevel

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

    def forget_started_before(self, moment: datetime) -> None:
        """Forget those that are too old to be good for anything."""


class UserViews(Protocol):
    """What people are shown of the account's users; each answer is bounded by a limit of at least 1."""

    def at_risk(self, level: RiskLevel | None, after: RiskPlace | None, limit: int) -> list[Standing]:
        """Users with that level, or with any, behind *after*: the highest level first, then the latest event."""

    def by_email(self, start: str, after: str | None, limit: int) -> list[Standing]:
        """Users whose e-mail starts so, in any letter case, behind the email_key *after*, in the order of e-mails."""

    def findings(self, user_id: UserId, after: FindingPlace | None, limit: int) -> list[RecordedFinding]:
        """What was found about a user, also before resets, behind *after*, the latest first."""

    def told(self, subject_key: str, moments: Sequence[datetime], streams_limit: int) -> list[Told]:
        """What was queued about a subject at those moments exactly, on the streams where something was tried last."""
