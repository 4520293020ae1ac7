"""What was tried, what became of it, and the ledger that must always add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.streams import StreamId


class Attempt(Struct, frozen=True, kw_only=True):
    """One push of one SET.

    Attributes:
        queued_at, started_at: aware UTC, by this machine's clock: for people, never for decisions.
        signing: how long it waited for its signature; None when there was none, or when it was read from the database.
        claims: the event's fixed claims; none when the attempt was read from the database.
        token: the SET that was pushed; none when there was none, or when it was read from the database. Neither is ever
            shown.
    """

    seq: int
    jti: Jti
    number: int
    queued_at: datetime
    started_at: datetime
    duration: timedelta
    outcome: Outcome
    signing: timedelta | None = None
    claims: bytes = b""
    token: bytes = b""

    def __repr__(self) -> str:
        """Without what is never shown."""
        return f"Attempt({self.seq}, {self.jti!r}, {self.number}, {self.outcome})"

    @property
    def latency(self) -> timedelta:
        """From the moment the event was queued to the end of this attempt."""
        return self.started_at + self.duration - self.queued_at


class DeliveryState(StrEnum):
    """Where a delivery stands; each is in exactly one. Rule: design "Ledger"."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One SET queued for one stream, with what was tried so far.

    Attributes:
        reason: why it is pending after an attempt, or dead; None otherwise.
    """

    stream_id: StreamId
    lane: int
    seq: int
    jti: Jti
    state: DeliveryState
    reason: str | None
    queued_at: datetime
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The counts of one stream.

    Attributes:
        queued: the numbers given out to events.
        delivered: as the settlements counted it, one batch after the other, and not derived from the others: an event
            that a cursor passed without a reason, or that was settled twice, shows as an imbalance.
        oldest_pending: how old the oldest undelivered event is; None when there is none.
    """

    stream_id: StreamId
    queued: int
    delivered: int
    pending: int
    dead: int
    expired: int
    cancelled: int
    oldest_pending: timedelta | None

    @property
    def imbalance(self) -> int:
        """0, always. Rule: faults.md C1."""
        return self.queued - self.delivered - self.pending - self.dead - self.expired - self.cancelled
