"""Attempts, deliveries, and the ledger, whose counts must always add up."""

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
        signing: the time until it was signed; None: it was not signed, or the attempt was read from the database.
        claims: the event's fixed claims; empty when the attempt was read from the database. Never shown.
        token: the SET that was pushed; empty when it was not signed or was read from the database. Never shown.
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
        """Return the attempt without its claims and its SET."""
        return f"Attempt({self.seq}, {self.jti!r}, {self.number}, {self.outcome})"

    @property
    def latency(self) -> timedelta:
        """The time from the queueing of the event to the end of this attempt."""
        return self.started_at + self.duration - self.queued_at


class DeliveryState(StrEnum):
    """The state of a delivery. Each delivery is in exactly one. Rule: design "Ledger"."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ERASED = "erased"
    SUPERSEDED = "superseded"
    """A later level change of the user replaced it before it was attempted (see delivery.coalescing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One SET queued for one stream, with its attempts so far.

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
        queued: the number of events that were queued.
        delivered: the sum that the settlements counted, batch by batch. It is not derived from the other counts, so an
            event that the cursor passed without a reason, or that was settled twice, shows as an imbalance.
        oldest_pending: the age of the oldest undelivered event; None: there is none.
        erased: the number of events about erased users that were waiting, and are never delivered.
    """

    stream_id: StreamId
    queued: int
    delivered: int
    pending: int
    dead: int
    expired: int
    cancelled: int
    superseded: int
    oldest_pending: timedelta | None
    erased: int = 0

    @property
    def imbalance(self) -> int:
        """The events that no state accounts for; always 0. Rule: faults.md C1."""
        settled = self.delivered + self.dead + self.expired + self.cancelled + self.erased + self.superseded
        return self.queued - self.pending - settled


def percentile(ordered: Sequence[timedelta], percent: int) -> timedelta | None:
    """Return the nearest-rank percentile of durations in rising order; None if there are none.

    >>> percentile([timedelta(seconds=1), timedelta(seconds=2)], 50)
    datetime.timedelta(seconds=1)
    """
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)] if ordered else None
