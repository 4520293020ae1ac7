"""What the console needs of a store to show deliveries; every answer is bounded, however long the log is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.health import Condition, condition_of
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.keys import Algorithm
from riskrelay.core.ssf.streams import Stream, StreamId


class EventPlace(NamedTuple):
    """Where an event is in the log: found at once, which its jti is not."""

    stream_id: StreamId
    lane: int
    seq: int


LanePlaces = Mapping[str, int]
"""By lane (`stream.lane`), the number below which a page goes on; a lane that is not named starts at its newest."""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, the newest first.

    Attributes:
        older: where the next page goes on; None: this is the last. A page may be empty and have one: many events were
            looked at, and none was in the state.
    """

    deliveries: Sequence[Delivery]
    older: LanePlaces | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery with what its SET says.

    Attributes:
        fixed_claims: JSON, without `iss` and `aud`, which follow from the stream when it is signed.
        claims: the same, read.
    """

    delivery: Delivery
    stream: Stream
    fixed_claims: bytes
    claims: Mapping[str, Any]


class ReasonPlace(NamedTuple):
    """A stream and a reason: the place of a group of dead letters."""

    stream_id: StreamId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The deliveries of one stream that died of one reason.

    Attributes:
        count: how many, as far as they were counted.
        has_more: whether there are more than *count*.
        latest, latest_at: the last of them in the log, and when it was queued.
    """

    stream: Stream
    reason: str
    count: int
    has_more: bool
    latest: EventPlace
    latest_at: datetime

    @property
    def place(self) -> ReasonPlace:
        """Its place among the groups."""
        return ReasonPlace(self.stream.stream_id, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """How delivery on one stream is doing, as far as one sees without counting.

    Attributes:
        failures: batches in a row that brought nothing but failure, or were throttled, of the lane with the most of
            them.
        last_reason, last_attempt_at: of what was tried last; None: nothing was.
        rejecting: its receiver refuses what it gets (see delivery.rejecting).
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


class DeliveryViews(Protocol):
    """What people are shown of the account's deliveries, on streams that still exist."""

    def page(
        self, integration_id: IntegrationId, state: DeliveryState | None, behind: LanePlaces, limit: int
    ) -> DeliveryPage:
        """Deliveries of one integration in that state, or in any."""

    def latest(self, integration_id: IntegrationId | None, state: DeliveryState | None, limit: int) -> list[Sent]:
        """The newest deliveries of one integration, or of those where something happened last."""

    def at(self, integration_id: IntegrationId, place: EventPlace) -> Sent | None:
        """The one at that place."""

    def dead_letters(self, after: ReasonPlace | None, limit: int) -> list[DeadLetters]:
        """Groups of dead letters behind *after*, in the order of their places."""

    def glances(self, integration_ids: Sequence[IntegrationId]) -> list[Glance]:
        """How delivery on the streams of these integrations is doing, oldest first, as far as one sees without
        counting."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether receivers can verify what is signed now.

    Attributes:
        header: the protected header.
        problem: why the published keys do not verify it; None: they do.
    """

    header: Mapping[str, Any]
    problem: str | None


class Proofs(Protocol):
    """Signs a SET as it would be pushed now, and verifies it as its receiver would."""

    async def prove(self, payload: bytes, algorithm: Algorithm) -> Proof:
        """Sign *payload* with the current key, and verify it with the keys of the JWKS; the token itself is dropped."""
