"""A replay: deliveries that an operator sends again, with the same jti and the same claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.jobs import JobStatus

ReplayId = NewType("ReplayId", str)

REPLAYED = "replayed"
"""The reason of an event that a replay or a retry made pending, until its next attempt."""

MAX_BESIDE_NEW = BATCH_EVENTS // 2  # half of each batch is left to new events
# A batch, and the beginning of the next one, which is signed while the batch is settled and the replay goes on.
MAX_WITHOUT_NEW = BATCH_EVENTS + BATCH_EVENTS // 2
WINDOW_EVENTS = 10_000  # guessed: sequence numbers that one step scans, so that it locks its lane for milliseconds only
MAX_LISTED_USERS = 1_000  # chosen: as many as a person pastes; each step of a replay compares with all of them
REPLAYABLE = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.CANCELLED, DeliveryState.DELIVERED)


def superseded_delivery() -> Invalid:
    """Return the refusal of a retry of a superseded delivery, which would tell the receiver an outdated level."""
    message = "a later level change of the user replaced this delivery before it was sent; retry that one instead"
    return Invalid([Fault(FaultKind.WRONG_VALUE, "/jti", message)])


def room_in_batch(waiting: int, *, has_new: bool) -> int:
    """Return how many events a replay may make pending in a lane now.

    Args:
        waiting: the number of the lane's events that are pending again or wait for a retry.
        has_new: whether the lane has new events that were not attempted yet.
    """
    return max((MAX_BESIDE_NEW if has_new else MAX_WITHOUT_NEW) - waiting, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """The deliveries of an integration to send again.

    Attributes:
        state: their state before the replay.
        reason: their exact reason; None: any.
        queued_from: the earliest time of queueing, aware UTC; None: any.
        queued_to: the latest time of queueing, aware UTC. Never after the request for the replay, so that it ends.
        users: only deliveries about the users with these addresses, at most MAX_LISTED_USERS; None: all deliveries.
    """

    state: DeliveryState
    reason: str | None
    queued_from: datetime | None
    queued_to: datetime
    users: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One replay.

    Attributes:
        filter: without the list of users, when it was read from the store; see `listed`.
        listed: the number of listed users; None: there is no list.
        total: the number of deliveries that matched the filter when it started.
        replayed: the number of deliveries that it has made pending.
    """

    replay_id: ReplayId
    integration_id: IntegrationId
    filter: ReplayFilter
    listed: int | None = None
    status: JobStatus
    total: int
    replayed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """The result of one step of a replay.

    Attributes:
        replayed: the number of events that it made pending.
        has_moved: False: every remaining lane has enough pending events, or must not be sent now.
        is_over: no delivery is left.
    """

    replayed: int = 0
    has_moved: bool = True
    is_over: bool = False
