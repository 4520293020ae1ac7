"""Deliver what a lane holds: read (transaction), sign and push (no transaction), settle (transaction)."""

from collections.abc import Sequence
from dataclasses import dataclass

from riskrelay.delivery.attempts import Attempt
from riskrelay.delivery.lanes import (
    BATCH_EVENTS,
    NOW,
    LaneKey,
    LaneLease,
    Settlement,
    chains,
    following,
    settle,
)
from riskrelay.ports import Installation, Outside, StreamStop
from riskrelay.pushing import SIGNED_AHEAD, Batch, Delivering, SigningAhead
from riskrelay.signals import Signal, stream_updated
from riskrelay.ssf.streams import CONTROL_LANE, Stream, StreamStatus


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one batch came to.

    Attributes:
        attempts: what was tried, in the order it ended.
        settlement: what was written down; None when there was nothing to do.
        stopped: the lane must not be worked on now (paused, disabled, inactive).
        given_back: the lane has to wait, and was given back with what was written down.
        recovered: it was the first batch that worked after some that brought nothing but failure.
    """

    attempts: Sequence[Attempt]
    settlement: Settlement | None
    stopped: bool = False
    given_back: bool = False
    recovered: bool = False


async def deliver(
    outside: Outside, delivering: Delivering, signing: SigningAhead, lease: LaneLease, leased_at: float, limit: int
) -> Delivered:
    """Work off one batch of a lane.

    Args:
        signing: the lane's own, from one batch to the next.
        lease: from `claim`; extended by every batch.
        leased_at: by the monotonic clock, before the lease was last asked for or extended.
        limit: at most so many events.

    Raises:
        LeaseLost: another worker owns the lane; nothing was written.
        Unavailable: the store refused; what was pushed and not settled will be pushed again.
    Rule: design 2, 3, 4, 7.
    """
    most = BATCH_EVENTS + SIGNED_AHEAD
    work = await outside.store.read_installation(lambda tx: tx.lanes.read(lease, most, delivering.retention))
    if work.stream is None or work.stream.is_polled:
        return Delivered((), None, stopped=True)
    if not work.held and not work.fresh:
        return Delivered((), None)
    stream = work.stream
    batch = Batch(outside, delivering, stream, signing, leased_at, is_control=lease.key.lane == CONTROL_LANE)
    todo = chains(work, min(limit, batch.pace.batch))
    await batch.push(todo, following(work, todo) if limit == BATCH_EVENTS else [])
    settlement = settle(work, batch.outcomes, outside.ids.jitter)
    waits = settlement.due_in is not None and settlement.due_in > NOW
    extend = NOW if waits else delivering.lease

    def write_down(tx: Installation) -> list[LaneKey]:
        if batch.stop is None:
            tx.lanes.settle(lease, work, settlement, batch.attempts, extend)
            return []
        stop = StreamStop(*batch.stop, _notice(outside, stream, *batch.stop))
        return tx.lanes.stop_stream(lease, work, settlement, batch.attempts, stop)

    outside.wake(await outside.store.write_installation(write_down))
    outside.observer.attempted(lease.key, stream, batch.attempts)
    stopped, recovered = batch.stop is not None, work.failures > 0 and settlement.failures == 0
    return Delivered(batch.attempts, settlement, stopped, given_back=stopped or waits, recovered=recovered)


def _notice(outside: Outside, stream: Stream, status: StreamStatus, reason: str) -> Signal | None:
    """What a receiver is told when its stream is stopped. Rule: SSF 1.0 §8.1.5."""
    if stream.is_implicit:
        return None
    return stream_updated(stream, status, reason, outside.clock.now(), outside.ids.uuid)
