"""The operations of a store that the console uses to show deliveries.

Each result is bounded, for a log of any length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.health import Condition, condition_of
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.keys import Algorithm
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.streams import Stream, StreamId


class EventPlace(NamedTuple):
    """The position of an event in the log. The store finds it by the primary key, unlike the jti."""

    stream_id: StreamId
    lane: int
    seq: int


LanePlaces = Mapping[str, int]
"""The number below which a page continues, by lane (`stream.lane`). Other lanes start at their newest event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """The deliveries that a list shows. None filters nothing.

    Attributes:
        event_type: the URI of a type in the SET's `events`.
        queued_from: the earliest time of queueing.
    """

    state: DeliveryState | None = None
    event_type: str | None = None
    queued_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, the newest first.

    Attributes:
        older: where the next page starts; None: this is the last page. An empty page may have a next page, if none of
            the scanned events fits the filter.
    """

    deliveries: Sequence[Delivery]
    older: LanePlaces | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery with the claims of its SET.

    Attributes:
        fixed_claims: the claims as JSON, without `iss` and `aud`, which the stream adds when the SET is signed.
        claims: the same claims, decoded.
    """

    delivery: Delivery
    stream: Stream
    fixed_claims: bytes
    claims: Mapping[str, Any]


class ReasonPlace(NamedTuple):
    """A stream and a reason, which identify a group of dead letters."""

    stream_id: StreamId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The dead deliveries of one stream with the same reason.

    Attributes:
        count: their number, up to a limit.
        has_more: whether their number exceeds *count*.
        latest, latest_at: the latest of them in the log, and its queueing time.
    """

    stream: Stream
    reason: str
    count: int
    has_more: bool
    latest: EventPlace
    latest_at: datetime

    @property
    def place(self) -> ReasonPlace:
        """The position among the groups."""
        return ReasonPlace(self.stream.stream_id, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The health of one stream, without counts of events.

    Attributes:
        failures: the number of failed or throttled batches in a row, of the lane with the most.
        last_reason, last_attempt_at: the reason and time of the last attempt; None: no attempt was made.
        rejecting: whether the receiver rejects events (see delivery.rejecting).
    """

    stream: Stream
    failures: int
    last_reason: str | None
    last_attempt_at: datetime | None
    rejecting: bool = False

    @property
    def condition(self) -> Condition:
        """The health in one word."""
        return condition_of(self.stream, self.failures, rejecting=self.rejecting)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt, as a chart needs it.

    Attributes:
        latency: the time from the queueing of the event to the end of the attempt.
    """

    ended_at: datetime
    kind: OutcomeKind
    latency: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempts:
    """The latest attempts of an integration.

    Attributes:
        attempts: in no order.
        since: attempts of events that were queued before this time are incomplete; None: all attempts were read.
    """

    attempts: Sequence[PastAttempt]
    since: datetime | None


class DeliveryViews(Protocol):
    """Queries on the account's deliveries for the console, on existing streams."""

    def page(
        self, integration_id: IntegrationId, wanted: DeliveryFilter, behind: LanePlaces, limit: int
    ) -> DeliveryPage:
        """Return a page of deliveries of one integration that fit a filter."""

    def count(self, integration_id: IntegrationId, wanted: DeliveryFilter) -> int | None:
        """Return the number of deliveries of one integration that fit a filter; None: counting would take too long."""

    def latest(self, integration_id: IntegrationId | None, state: DeliveryState | None, limit: int) -> list[Sent]:
        """Return the newest deliveries of one integration, or of the lanes with the latest activity."""

    def with_claims(self, deliveries: Sequence[Delivery]) -> list[Sent]:
        """Return those of *deliveries* that are on existing streams, each with its claims, in the same order."""

    def at(self, integration_id: IntegrationId, place: EventPlace) -> Sent | None:
        """Return the delivery at that position."""

    def dead_letters(self, after: ReasonPlace | None, limit: int) -> list[DeadLetters]:
        """Return groups of dead letters after *after*, in the order of their positions."""

    def glances(self, integration_ids: Sequence[IntegrationId]) -> list[Glance]:
        """Return the health of these integrations' streams, oldest first, without counts of events."""

    def past_attempts(self, integration_id: IntegrationId, limit: int) -> PastAttempts:
        """Return at most *limit* attempts to deliver the newest events of one integration."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of verifying a newly signed SET.

    Attributes:
        header: the protected header.
        problem: the reason why the published keys do not verify the SET; None: they do.
    """

    header: Mapping[str, Any]
    problem: str | None


class Proofs(Protocol):
    """Signs a SET as for a push, and verifies it as its receiver would."""

    async def prove(self, payload: bytes, algorithm: Algorithm) -> Proof:
        """Sign *payload* with the current key, and verify it with the keys of the JWKS. The token is dropped."""
