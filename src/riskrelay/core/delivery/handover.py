"""Hand new events from the transaction that queued them to the worker that holds their lane, without reading them.

The row of a lane is locked while events are queued on it, so the transaction knows all that a read would return: their
numbers have no gap, and nothing of the lane changes before the commit. The worker uses them if they continue exactly
where it stopped; in any other case it reads the lane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, LaneKey, LaneLease, LaneWork, Settlement
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.ssf.streams import CONTROL_LANE, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Events that a transaction queued on a lane, with the state of the lane in that transaction.

    Attributes:
        epoch: of the lease that was valid then.
        events: in order and without a gap, at least one.
        replayed, edits, blocked_until: as in `LaneWork`.
    """

    key: LaneKey
    epoch: int
    stream: Stream
    events: Sequence[QueuedEvent]
    replayed: int
    edits: int
    blocked_until: datetime | None


WokenLane = LaneKey | Handover
"""A lane that has work, with its new events or without."""


def lane_of(woken: WokenLane) -> LaneKey:
    """Return the key of a woken lane."""
    return woken.key if isinstance(woken, Handover) else woken


def can_be_handed_over(stream: Stream, lane: int, count: int) -> bool:
    """Return whether *count* new events of a lane can be pushed without a read.

    Notices about a stream are read, because they can be queued with the stream as it was before a change. So are events
    of a stream that coalesces, because the older ones among them may be superseded.
    """
    return (
        lane != CONTROL_LANE
        and count <= MAX_READ_EVENTS
        and not stream.is_polled
        and not stream.is_silent(lane)
        and not stream.integration.limits.coalesces_level_changes
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A lane that was delivered up to its cursor, with nothing held.

    Attributes: as in `LaneWork`.
    """

    epoch: int
    cursor: int
    replayed: int
    edits: int
    recent_answers: str


def rest_of(lease: LaneLease, work: LaneWork) -> Rest | None:
    """Return the state of a lane that has no event; None: its receiver failed, so its next events need a read."""
    return None if work.failures else _rest(lease, work, work.cursor, work.recent_answers)


def rest_after(lease: LaneLease, work: LaneWork, settlement: Settlement) -> Rest | None:
    """Return the state of a lane after a settlement.

    Returns: None: an event is held or the lane waits, so that its next events need a read.
    """
    if work.held or settlement.waits:
        return None
    return _rest(lease, work, settlement.cursor, settlement.recent_answers)


def _rest(lease: LaneLease, work: LaneWork, cursor: int, recent_answers: str) -> Rest:
    return Rest(
        epoch=lease.epoch, cursor=cursor, replayed=work.replayed, edits=work.edits, recent_answers=recent_answers
    )


def work_of(rest: Rest, handovers: Sequence[Handover]) -> LaneWork | None:
    """Return what a read of the lane would return, if *handovers* continue where the worker stopped.

    Args:
        handovers: of one lane, in the order of their commits. Events up to the cursor are left out, since a read may
            have returned them before.

    Returns: None: the lane must be read, because something else changed it, or there is nothing new or too much.
    """
    fresh = [event for one in handovers for event in one.events if event.seq > rest.cursor]
    is_whole = [event.seq for event in fresh] == list(range(rest.cursor + 1, rest.cursor + 1 + len(fresh)))
    states = {(one.epoch, one.replayed, one.edits) for one in handovers}
    if not 0 < len(fresh) <= MAX_READ_EVENTS or not is_whole or states != {(rest.epoch, rest.replayed, rest.edits)}:
        return None
    latest = handovers[-1]
    return LaneWork(
        stream=latest.stream,
        cursor=rest.cursor,
        failures=0,
        held=(),
        fresh=fresh,
        last_seq=fresh[-1].seq,
        replayed=rest.replayed,
        edits=rest.edits,
        blocked_until=latest.blocked_until,
        recent_answers=rest.recent_answers,
        admitted=rest.cursor,
    )
