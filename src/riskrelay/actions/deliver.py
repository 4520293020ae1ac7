"""Deliver what a lane holds: read (transaction), sign and push (no transaction), settle (transaction)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from riskrelay.delivery.attempts import Attempt
from riskrelay.delivery.lanes import (
    BATCH_EVENTS,
    LaneKey,
    LaneLease,
    QueuedEvent,
    Settlement,
    chains,
    settle,
)
from riskrelay.delivery.pacing import pace_of
from riskrelay.errors import Misconfigured, Unavailable
from riskrelay.ports import Installation, Outside, Pusher, Signer, Vault
from riskrelay.signals import Signal, stream_updated
from riskrelay.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ssf.sets import complete_claims
from riskrelay.ssf.streams import CONTROL_LANE, Stream, StreamStatus

_STOPS_LANE = frozenset({OutcomeKind.AUTH, OutcomeKind.GONE, OutcomeKind.THROTTLED, OutcomeKind.OURS})
_STOPS_STREAM = {OutcomeKind.AUTH: StreamStatus.PAUSED, OutcomeKind.GONE: StreamStatus.DISABLED}
_FAILURES_THAT_HALT = 3  # guessed: one bad subject must not stop a lane, a dead receiver must not be pushed 256 times


@dataclass(frozen=True, slots=True)
class Delivering:
    """What delivery needs besides `Outside`, and its limits.

    Attributes:
        lease: how long a claim holds without a sign of life.
        push_for: how long after the lease began new pushes may start; with the longest push it stays below 80 % of the
            lease, so that the worker has stopped before another one may begin (design 3).
        concurrency: pushes at once per lane, unless the integration has a lower limit of its own.
        retention: older events are not sent any more.
    """

    signer: Signer
    pusher: Pusher
    vault: Vault
    lease: timedelta
    push_for: timedelta
    concurrency: int
    retention: timedelta


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one batch came to.

    Attributes:
        attempts: what was tried, in the order it ended.
        settlement: what was written down; None when there was nothing to do.
        stopped: the lane must not be worked on now (paused, disabled, inactive).
    """

    attempts: Sequence[Attempt]
    settlement: Settlement | None
    stopped: bool = False


async def deliver(
    outside: Outside, delivering: Delivering, lease: LaneLease, leased_at: float, limit: int
) -> Delivered:
    """Work off one batch of a lane.

    Args:
        lease: from `claim`; extended by every batch.
        leased_at: by the monotonic clock, before the lease was last asked for or extended.
        limit: at most so many events.

    Raises:
        LeaseLost: another worker owns the lane; nothing was written.
        Unavailable: the store refused; what was pushed and not settled will be pushed again.
    Rule: design 2, 3, 4, 7.
    """
    work = await outside.store.read_installation(lambda tx: tx.lanes.read(lease, BATCH_EVENTS, delivering.retention))
    if work.stream is None or work.stream.is_polled:
        return Delivered((), None, stopped=True)
    if not work.held and not work.fresh:
        return Delivered((), None)
    stream = work.stream
    batch = _Batch(outside, delivering, stream, leased_at, is_control=lease.key.lane == CONTROL_LANE)
    await batch.push(chains(work, min(limit, batch.pace.batch)))
    settlement = settle(work, batch.outcomes, outside.ids.jitter)

    def write_down(tx: Installation) -> list[LaneKey]:
        tx.lanes.settle(lease, work, settlement, batch.attempts, delivering.lease)
        if batch.stop is None:
            return []
        return tx.lanes.stop_stream(lease, *batch.stop, _notice(outside, stream, *batch.stop))

    outside.wake(await outside.store.write_installation(write_down))
    outside.observer.attempted(lease.key, stream, batch.attempts)
    return Delivered(batch.attempts, settlement, stopped=batch.stop is not None)


def _notice(outside: Outside, stream: Stream, status: StreamStatus, reason: str) -> Signal | None:
    """What a receiver is told when its stream is stopped. Rule: SSF 1.0 §8.1.5."""
    if stream.is_implicit:
        return None
    return stream_updated(stream, status, reason, outside.clock.now(), outside.ids.uuid)


class _Batch:
    """The pushes of one batch: chains side by side, each strictly in order.

    Args:
        is_control: what is pushed is the last word about a stream that is stopped already.
    """

    def __init__(
        self, outside: Outside, delivering: Delivering, stream: Stream, leased_at: float, *, is_control: bool
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.attempts: list[Attempt] = []
        self.stop: tuple[StreamStatus, str] | None = None
        self.pace = pace_of(stream, delivering.concurrency)
        self._is_control = is_control
        self._outside = outside
        self._delivering = delivering
        self._stream = stream
        self._stop_at = leased_at + delivering.push_for.total_seconds()
        self._next_start = outside.clock.monotonic()
        self._halted = False
        self._failed_in_a_row = 0

    async def push(self, todo: Sequence[Sequence[QueuedEvent]]) -> None:
        """Push every chain, at most `concurrency` at once."""
        waiting = list(reversed(todo))

        async def work() -> None:
            while waiting:
                await self._push_chain(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(waiting), self.pace.concurrency)):
                group.create_task(work())

    async def _push_chain(self, chain: Sequence[QueuedEvent]) -> None:
        for event in chain:
            if self.pace.interval:
                await self._keep_pace()
            if self._halted or self._outside.clock.monotonic() > self._stop_at:
                return
            outcome = await self._attempt(event)
            self.outcomes[event.seq] = outcome
            self._judge(outcome)
            if outcome.kind is not OutcomeKind.ACCEPTED:
                # A refusal too: the next event of this subject may go only when it is written down that this one
                # will not come again, or a crash now would bring it out of order.
                return

    async def _keep_pace(self) -> None:
        """Wait for the next moment at which a push may start.

        The first of a batch waits too, as if one had started just before: so pushes are spaced whatever happens between
        two batches, and nothing has to be remembered.
        """
        self._next_start += self.pace.interval
        wait = self._next_start - self._outside.clock.monotonic()
        if wait > 0:
            await self._outside.clock.sleep(wait)
        else:
            self._next_start -= wait

    async def _attempt(self, event: QueuedEvent) -> Outcome:
        started_at, began = self._outside.clock.now(), self._outside.clock.monotonic()
        integration = self._stream.integration
        payload = complete_claims(event.claims, integration.issuer, self._stream.audience)
        token, signing = b"", None
        try:
            token = await self._delivering.signer.sign(payload, integration.signing_algorithm)
            signing = timedelta(seconds=self._outside.clock.monotonic() - began)
            authorization = self._authorization()
        except Unavailable:
            outcome = Outcome(OutcomeKind.OURS, "no_signing_key")
        except Misconfigured:
            outcome = Outcome(OutcomeKind.OURS, "wrong_master_key")
        else:
            outcome = await self._delivering.pusher.push(self._stream.endpoint_url, token, authorization)
            if self._is_control and outcome.kind in _STOPS_STREAM:
                # The stream is stopped for this very reason: its receiver does not want to hear of it.
                outcome = replace(outcome, kind=OutcomeKind.REJECTED)
        duration = timedelta(seconds=self._outside.clock.monotonic() - began)
        number = event.attempts + 1
        self.attempts.append(
            Attempt(
                *(event.seq, event.jti, number, event.queued_at, started_at, duration, outcome),
                *(signing, event.claims, token),
            )
        )
        return outcome

    def _authorization(self) -> str | None:
        """The header that the receiver wants with each push.

        Raises: Misconfigured: it was sealed under another master key.
        """
        sealed = self._stream.sealed_authorization
        return None if sealed is None else self._delivering.vault.open(sealed).decode()

    def _judge(self, outcome: Outcome) -> None:
        """Some outcomes speak for the whole receiver, and so do a few failures in a row: nothing more is started."""
        self._failed_in_a_row = self._failed_in_a_row + 1 if outcome.kind is OutcomeKind.TRANSIENT else 0
        if outcome.kind in _STOPS_LANE or self._failed_in_a_row >= _FAILURES_THAT_HALT:
            self._halted = True
        if outcome.kind in _STOPS_STREAM:
            self.stop = (_STOPS_STREAM[outcome.kind], outcome.reason)
