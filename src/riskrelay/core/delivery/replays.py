"""A replay: deliveries that an operator wants to go out again, with the same jti and the same claims."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.integrations import IntegrationId

ReplayId = NewType("ReplayId", str)

REPLAYED = "replayed"
"""Why an event is pending that a replay or a retry has put back, until it is tried."""

MAX_BESIDE_NEW = BATCH_EVENTS // 2  # half of each batch is left to new events
WINDOW_EVENTS = 10_000  # guessed: how many numbers one step looks at, so that it holds its lane for milliseconds only
REPLAYABLE = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.CANCELLED, DeliveryState.DELIVERED)


def room_in_batch(waiting: int, *, has_new: bool) -> int:
    """Return how many events a replay may put back into a lane now.

    Args:
        waiting: how many events of the lane are pending again or wait for a retry.
        has_new: the lane has new events that were not tried yet.
    """
    return max((MAX_BESIDE_NEW if has_new else BATCH_EVENTS) - waiting, 0)


class ReplayStatus(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether it never changes again."""
        return self in (ReplayStatus.COMPLETED, ReplayStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """Which deliveries of an integration.

    Attributes:
        state: what they are in before the replay.
        reason: with exactly this reason; None: whatever it is.
        queued_from: queued then or later; None: however old. Aware UTC.
        queued_to: queued then or earlier. Aware UTC; never after the replay was asked for, so that it has an end.
    """

    state: DeliveryState
    reason: str | None
    queued_from: datetime | None
    queued_to: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One replay.

    Attributes:
        total: how many deliveries fitted the filter when it started.
        replayed: how many are pending again, or have been since.
    """

    replay_id: ReplayId
    integration_id: IntegrationId
    filter: ReplayFilter
    status: ReplayStatus
    total: int
    replayed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """What one step of a replay came to.

    Attributes:
        replayed: how many events it made pending.
        has_moved: False: every lane that is left has enough waiting, or may not be sent now.
        is_over: nothing is left.
    """

    replayed: int = 0
    has_moved: bool = True
    is_over: bool = False
