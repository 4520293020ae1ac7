"""Deliver the events of a lane: read (transaction), sign and push (no transaction), settle (transaction)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from riskrelay.actions.coalesce import Admitting, admit_events, coalesces
from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.decisions import cancels_backlog
from riskrelay.core.delivery.handover import Rest, WokenLane, rest_after, rest_of
from riskrelay.core.delivery.lanes import (
    BATCH_EVENTS,
    MAX_READ_EVENTS,
    NOW,
    LaneLease,
    LaneWork,
    Settlement,
    chains,
    following,
    settle,
)
from riskrelay.core.delivery.replays import REPLAYED
from riskrelay.core.signals import stream_updated
from riskrelay.core.ssf.streams import CONTROL_LANE, Stream, StreamStatus
from riskrelay.engine.pushing import Batch, Delivering, SigningAhead, Turn
from riskrelay.ports import Installation, Services, StreamStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The result of one batch.

    Attributes:
        attempts: the attempts, in the order in which they ended.
        settlement: the stored settlement; None if the lane had no event to push.
        stopped: the lane must not be worked on now (paused, disabled, inactive).
        given_back: the lane has to wait, and the settlement released it.
        recovered: the batch was the first that succeeded after failed batches.
        is_refilled: a replay has put more events of the lane back.
        rest: the state of the lane if its next events need no read; None: read it.
    """

    attempts: Sequence[Attempt]
    settlement: Settlement | None
    stopped: bool = False
    given_back: bool = False
    recovered: bool = False
    is_refilled: bool = False
    rest: Rest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedBatch:
    """A batch that was pushed and whose outcomes are not written yet.

    Attributes:
        lease: the lease of the lane. Every write has its epoch as a condition.
        stream: the stream as it was read before the pushes.
        work: the lane as it was read before the pushes.
        settlement: the settlement to write. It is decided once, so that each retry writes the same.
        attempts: the attempts, in the order in which they ended.
        stop: how to stop the stream because of a response; None: the stream is not stopped.
        extend: how long the lease lasts after the write; zero: the lane is released.
    """

    lease: LaneLease
    stream: Stream
    work: LaneWork
    settlement: Settlement
    attempts: Sequence[Attempt]
    stop: StreamStop | None
    extend: timedelta


async def deliver(
    services: Services, delivering: Delivering, signing: SigningAhead, lease: LaneLease, leased_at: float, limit: int
) -> Delivered:
    """Push one batch of a lane, and try once to write its outcomes.

    Args: as `push_batch`.

    Raises:
        LeaseLost: another worker owns the lane; nothing was written.
        Unavailable: the store refused. The outcomes are lost, so the events will be pushed again.
    Rule: design 2, 3, 4, 7.
    """
    pushed = await push_batch(services, delivering, signing, lease, leased_at=leased_at, limit=limit)
    return pushed if isinstance(pushed, Delivered) else await settle_batch(services, pushed, is_retry=False)


async def push_batch(
    services: Services, delivering: Delivering, signing: SigningAhead, lease: LaneLease, leased_at: float, limit: int
) -> PushedBatch | Delivered:
    """Read a lane and push its next events, without writing to the store.

    Args:
        signing: the signed SETs of the lane, kept from one batch to the next.
        lease: from `claim`; extended by every batch.
        leased_at: the time by the monotonic clock, taken before the lease was last claimed or extended.
        limit: the largest number of events.

    Returns: the batch to settle with `settle_batch`; if the lane had no event to push, the result.
    Raises:
        LeaseLost: another worker owns the lane, or its stream was stopped; nothing was pushed.
        Unavailable: the lane cannot be read; nothing was pushed.
    """
    work = await services.store.read_installation(
        lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, delivering.retention)
    )
    read_at = services.clock.monotonic()
    if coalesces(work, lease.key):
        work, extended_at = await _admit(services, delivering, lease, work, limit=limit)
        leased_at = leased_at if extended_at is None else extended_at
    turn = Turn(leased_at=leased_at, read_at=read_at, limit=limit)
    return await push_work(services, delivering, signing, lease, work=work, turn=turn)


async def push_work(
    services: Services, delivering: Delivering, signing: SigningAhead, lease: LaneLease, work: LaneWork, turn: Turn
) -> PushedBatch | Delivered:
    """Push the next events of a lane, without reading from or writing to the store.

    Args: as `push_batch`.
        work: the lane as a read returned it, or as it was handed over.

    Returns: the batch to settle with `settle_batch`; if nothing can be pushed, the result.
    """
    stream = work.stream
    if stream is None or stream.is_polled:
        return Delivered(attempts=(), settlement=None, stopped=True)
    if not work.held and not work.fresh:
        return Delivered(attempts=(), settlement=None, rest=rest_of(lease, work))
    batch = Batch(services, delivering, stream, signing, turn=turn, is_control=lease.key.lane == CONTROL_LANE)
    todo = chains(work, min(turn.limit, batch.pace.batch))
    await batch.push(todo, following(work, todo) if turn.limit == BATCH_EVENTS else [])
    settlement = settle(work, batch.outcomes, services.ids.jitter)
    # A lane that waits is released with the settlement, so that any node can claim it when the wait is over.
    waits = settlement.due_in is not None and settlement.due_in > NOW
    stop = None if batch.stop is None else _stop(services, stream, *batch.stop)
    return PushedBatch(
        lease=lease,
        stream=stream,
        work=work,
        settlement=settlement,
        attempts=batch.attempts,
        stop=stop,
        extend=NOW if waits else delivering.lease,
    )


async def _admit(
    services: Services, delivering: Delivering, lease: LaneLease, work: LaneWork, limit: int
) -> tuple[LaneWork, float | None]:
    """Admit the events of the next batch. A full batch includes the events that are signed ahead."""
    admitting = Admitting(
        services=services, plans=delivering.plans, retention=delivering.retention, extend=delivering.lease
    )
    return await admit_events(admitting, lease, work, MAX_READ_EVENTS if limit == BATCH_EVENTS else limit)


async def settle_batch(services: Services, pushed: PushedBatch, *, is_retry: bool) -> Delivered:
    """Write the outcomes of a batch.

    Args:
        is_retry: an earlier call failed. If its transaction was committed and only the database's response was lost,
            this call writes nothing.

    Raises:
        LeaseLost: another worker owns the lane, or its stream was stopped; nothing was written.
        Unavailable: the store refused. Call it again with the same batch, and push nothing until it is settled.
    Rule: design 4, "a failed settle never causes another push of the same batch".
    """

    key, has_replayed = pushed.lease.key, _has_replayed(pushed)

    def write_down(tx: Installation) -> list[WokenLane]:
        if is_retry and tx.lanes.is_settled(pushed.lease, pushed.attempts):
            return []
        if pushed.stop is None:
            # A replay is locked before its lanes, as everywhere.
            replays = tx.replays_of(key.account_id)
            replay = replays.running_in(key) if has_replayed else None
            continues = replay is not None and replays.lock(replay)
            tx.lanes.settle(pushed.lease, pushed.work, pushed.settlement, pushed.attempts, extend=pushed.extend)
            # Put the next events of the replay back, so that the replay is as fast as delivery.
            return [*replays.step(replay, key)[1]] if replay is not None and continues else []
        return tx.lanes.stop_stream(pushed.lease, pushed.work, pushed.settlement, pushed.attempts, stop=pushed.stop)

    ready = await services.store.write_installation(write_down)
    services.wake(ready)
    services.observer.attempted(pushed.lease.key, pushed.stream, pushed.attempts)
    stopped = pushed.stop is not None
    return Delivered(
        attempts=pushed.attempts,
        settlement=pushed.settlement,
        stopped=stopped,
        given_back=stopped or pushed.extend <= NOW,
        recovered=pushed.work.failures > 0 and pushed.settlement.failures == 0,
        is_refilled=key in ready,
        rest=None if stopped else rest_after(pushed.lease, pushed.work, pushed.settlement),
    )


def _has_replayed(pushed: PushedBatch) -> bool:
    """Return whether a replay had put back at least one of the pushed events."""
    tried = {attempt.seq for attempt in pushed.attempts}
    return any(event.reason == REPLAYED and event.seq in tried for event in pushed.work.held)


def _stop(services: Services, stream: Stream, status: StreamStatus, reason: str) -> StreamStop:
    """Build the stop of a stream, with the notice for its receiver.

    Rule: SSF 1.0 §8.1.5. The receiver of an implicit stream takes no such event.
    """
    notice = None
    if not stream.is_implicit:
        notice = stream_updated(stream, status, reason, services.clock.now(), new_id=services.ids.uuid)
    return StreamStop(status=status, reason=reason, notice=notice, cancels_backlog=cancels_backlog(stream, status))
