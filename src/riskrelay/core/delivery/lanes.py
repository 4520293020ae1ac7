"""A lane: a stream's events in order, delivered by one worker at a time.

A lane has a cursor. Every event at or below the cursor is settled, or has a row of its own that gives the reason: it
failed, it waits behind a failed event, or it is dead. So a successful delivery writes no row, and the backlog of an
unreachable receiver is a million queued events and a handful of rows. docs/delivery-cycle.md explains it all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from riskrelay.core.delivery.decisions import Fate, LaneDecision, decide, decide_lane
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.delivery.rejecting import with_outcomes
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.streams import Stream, StreamId

BATCH_EVENTS = 256  # how many events one read takes: also the bound on extra copies after a crash (ADR 0004)
# More than one batch, so that the next batch is signed while this one is settled.
MAX_READ_EVENTS = 384  # guessed: 128 more, as many as two threads sign during a settlement
CANCELLED_AT_ONCE = 1_000  # guessed: events that one transaction cancels, some milliseconds of work
MAX_HELD_EVENTS = 1_000  # guessed: above this many failed or waiting events a lane takes no new ones
NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class LaneKey:
    """The identity of a lane."""

    account_id: AccountId
    stream_id: StreamId
    lane: int


@dataclass(frozen=True, slots=True)
class LaneLease:
    """The right to work on a lane until the lease ends.

    Every write names the epoch. A write that changes no row means that another worker has the lane.
    """

    key: LaneKey
    epoch: int


@dataclass(frozen=True, slots=True)
class NextDue:
    """When the next lane can be claimed.

    Attributes:
        due_in: the time until a free lane is due; None: no lane is waiting.
        since: the earliest due time of all lanes, by the database's clock. The next scan may start there.
    """

    due_in: timedelta | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneWork:
    """A lane as one read returned it: the events to push, and their stream.

    Attributes:
        stream: None when nothing may be pushed now: it is paused, disabled, inactive or deleted, or its receiver asked
            for a delay.
        cursor: every event up to this seq is settled or in *held*.
        failures: the number of failed or throttled batches in a row. Above 0 the lane sends single events as probes.
        held: events at or below the cursor that failed, or that wait behind a failed event, in order.
        fresh: the next events above the cursor, in order and without a gap; empty when the lane holds too many.
        last_seq: the newest event of the lane when it was read.
        replayed: how many events of the lane had been replayed when it was read.
        edits: how often its stream had been edited or resumed when it was read.
        blocked_until: the end of the delay that the receiver asked for, by the database's clock; None: unknown.
        recent_answers: its receiver's latest answers (see delivery.rejecting).
        admitted: the highest seq that may be attempted, on a lane that coalesces (see delivery.coalescing); at least
            *cursor*.
    """

    stream: Stream | None
    cursor: int
    failures: int
    held: Sequence[QueuedEvent]
    fresh: Sequence[QueuedEvent]
    last_seq: int
    replayed: int = 0
    edits: int = 0
    blocked_until: datetime | None = None
    recent_answers: str = ""
    admitted: int = 0

    @property
    def full(self) -> bool:
        """Whether so many events are held that the lane takes no new ones until some of them are settled."""
        return len(self.held) >= MAX_HELD_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """A row to write: *seq* stays undelivered at or below the cursor, and may be tried again in *due_in*."""

    seq: int
    jti: Jti
    attempts: int
    due_in: timedelta
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEvent:
    """A row to write: the receiver refused *seq* permanently, or its retention has ended."""

    seq: int
    jti: Jti
    attempts: int
    reason: str


@dataclass(slots=True, kw_only=True)
class Settlement:
    """The changes to store after a batch, in one transaction.

    Attributes:
        cursor: the new cursor, never below the old one.
        delivered: the number of accepted events.
        released: events whose row is deleted.
        held: rows to insert or update.
        failures: the lane's new count of failed batches in a row.
        quiet_for: how long nothing is pushed on this lane.
        asked_for: the delay that the receiver asked for (Retry-After). Every lane of the stream waits so long.
        due_in: the time until the lane is claimed again; None: no event is left.
        recent_answers: the latest answers, with those of the batch.
    """

    cursor: int
    delivered: int = 0
    expired: list[DeadEvent] = field(default_factory=list)
    erased: list[DeadEvent] = field(default_factory=list)
    dead: list[DeadEvent] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    held: list[HeldEvent] = field(default_factory=list)
    failures: int = 0
    quiet_for: timedelta = NOW
    asked_for: timedelta = NOW
    due_in: timedelta | None = None
    recent_answers: str = ""

    @property
    def waits(self) -> bool:
        """Whether an event of the lane waits for a later attempt."""
        is_late = self.due_in is not None and self.due_in > NOW
        return bool(self.held) or self.failures > 0 or self.quiet_for > NOW or is_late

    def without_waits(self) -> "Settlement":
        """Return the same settlement without delays, for a stream that was edited during the batch.

        The outcomes of the events stay true. What the batch learned about the receiver does not apply to the address
        that the stream has now.
        """
        held = [replace(event, due_in=NOW) for event in self.held]
        due_in = None if self.due_in is None else NOW
        return replace(self, held=held, failures=0, quiet_for=NOW, asked_for=NOW, due_in=due_in, recent_answers="")


def chains(work: LaneWork, limit: int = BATCH_EVENTS) -> list[list[QueuedEvent]]:
    """Choose what to push now.

    Args:
        limit: the largest number of events. A lane that has just recovered starts slowly.

    Returns: one list per subject. The events of a list are pushed strictly in order, the lists concurrently. A lane
        with failures gets a single event, the one with the fewest attempts, so that an event that always fails cannot
        starve the others. Expired and erased events are in no list.
    Rule: design 3, 6; order per subject is faults.md C5.
    """
    by_subject: dict[str, list[QueuedEvent]] = {}
    for event in [*work.held, *work.fresh]:
        if not event.is_over:
            by_subject.setdefault(event.subject_key, []).append(event)
    if work.failures:
        heads = [chain[0] for chain in by_subject.values()]
        return [[min(heads, key=lambda event: (event.attempts, event.seq))]] if heads else []
    ready = [chain for chain in by_subject.values() if chain[0].due_in <= NOW]
    return _first(ready, limit)


def following(work: LaneWork, chosen: Sequence[Sequence[QueuedEvent]]) -> list[QueuedEvent]:
    """Return the due events after the chosen ones, with which the next batch starts if this one succeeds.

    They are signed ahead. A lane with failures gets none.
    """
    if work.failures:
        return []
    last = max((events[-1].seq for events in chosen), default=0)
    due = [event for event in [*work.held, *work.fresh] if event.due_in <= NOW and not event.is_over]
    return [event for event in due if event.seq > last]


def _first(ready: list[list[QueuedEvent]], limit: int) -> list[list[QueuedEvent]]:
    """Return the *limit* events that were queued first, still grouped by subject."""
    if sum(map(len, ready)) <= limit:
        return ready
    last = sorted(event.seq for chain in ready for event in chain)[limit - 1]
    cut = [[event for event in chain if event.seq <= last] for chain in ready]
    return [chain for chain in cut if chain]


def settle(work: LaneWork, outcomes: Mapping[int, Outcome], jitter: Callable[[], float]) -> Settlement:
    """Decide what to store after a batch.

    Args:
        work: the read that the batch was chosen from.
        outcomes: by seq, in the order in which the attempts ended; a chosen event that was not attempted has none.
        jitter: a fresh number from 0 to 1 at each call.

    Rule: design 2, 6. The cursor passes an event only when it was accepted, died, expired, was erased, or gets a row.
    """
    tried = [event.attempts + 1 for event in [*work.held, *work.fresh] if event.seq in outcomes]
    lane = decide_lane(work.failures, outcomes.values(), max(tried, default=0), jitter)
    cursor = _new_cursor(work, outcomes)
    parts = _partition(work, outcomes, cursor)
    waits = _waits(work, outcomes, parts.pending, lane, jitter=jitter)
    # Events of a subject keep their order, so the first that is pending decides when the subject is due.
    first_due: dict[str, timedelta] = {}
    for event in parts.pending:
        first_due.setdefault(event.subject_key, waits.get(event.seq, NOW))
    return Settlement(
        cursor=cursor,
        delivered=len(parts.accepted),
        expired=[_dead(event, None) for event in parts.expired],
        erased=[_dead(event, None) for event in parts.erased],
        dead=[_dead(event, outcomes[event.seq]) for event in parts.rejected],
        released=[event.seq for event in parts.accepted if event.seq <= work.cursor],
        held=[
            _held(event, outcomes.get(event.seq), waits.get(event.seq, first_due[event.subject_key]))
            for event in parts.pending
            if event.seq in outcomes or event.seq > work.cursor or waits[event.seq] != event.due_in
        ],
        failures=lane.failures,
        quiet_for=lane.quiet_for,
        asked_for=lane.asked_for,
        due_in=_lane_due_in(work, parts, cursor, min(first_due.values(), default=None), quiet_for=lane.quiet_for),
        recent_answers=with_outcomes(work.recent_answers, outcomes.values()),
    )


def _new_cursor(work: LaneWork, outcomes: Mapping[int, Outcome]) -> int:
    """Return the highest seq up to which every event was attempted, is over, or is blocked by a held event."""
    cursor = work.cursor
    for event in work.fresh:
        if event.seq in outcomes or event.is_over:
            cursor = event.seq
    if work.failures:  # a probing lane passes one event at a time, so that a dead receiver doesn't cost 256 rows
        return cursor
    # Events behind a held event of their subject get a row, so that they don't keep other subjects waiting.
    blocked = {event.subject_key for event in work.held if event.due_in > NOW and not event.is_over}
    for event in work.fresh:
        if event.seq > cursor:
            if event.subject_key not in blocked:
                break
            cursor = event.seq
    return cursor


@dataclass(slots=True, kw_only=True)
class _Parts:
    """The events up to the new cursor, by fate. Each list keeps the order of the lane.

    Attributes:
        pending: events to be tried again, and events that were not attempted.
    """

    accepted: list[QueuedEvent] = field(default_factory=list)
    rejected: list[QueuedEvent] = field(default_factory=list)
    expired: list[QueuedEvent] = field(default_factory=list)
    erased: list[QueuedEvent] = field(default_factory=list)
    pending: list[QueuedEvent] = field(default_factory=list)


def _partition(work: LaneWork, outcomes: Mapping[int, Outcome], cursor: int) -> _Parts:
    parts = _Parts()
    of_fate = {Fate.DELIVERED: parts.accepted, Fate.DEAD: parts.rejected, Fate.RETRIED: parts.pending}
    for event in [*work.held, *(event for event in work.fresh if event.seq <= cursor)]:
        outcome = outcomes.get(event.seq)
        if outcome is not None:
            of_fate[decide(outcome).fate].append(event)
        elif event.is_erased:
            parts.erased.append(event)
        else:
            (parts.expired if event.expired else parts.pending).append(event)
    return parts


def _waits(
    work: LaneWork,
    outcomes: Mapping[int, Outcome],
    pending: Sequence[QueuedEvent],
    lane: LaneDecision,
    jitter: Callable[[], float],
) -> dict[int, timedelta]:
    """Return each pending event's own delay, by seq.

    A new event that was not attempted has none: it is due with the first event of its subject.
    """
    has_recovered = work.failures > 0 and lane.failures == 0
    waits: dict[int, timedelta] = {}
    for event in pending:
        outcome = outcomes.get(event.seq)
        if outcome is not None:
            waits[event.seq] = max(decide(outcome).retry_wait(event.attempts + 1, jitter()), lane.quiet_for)
        elif event.seq <= work.cursor:
            # The delays that grew while the receiver was down end with the first event that it accepts.
            waits[event.seq] = min(event.due_in, NOW) if has_recovered else event.due_in
    return waits


def _held(event: QueuedEvent, outcome: Outcome | None, due_in: timedelta) -> HeldEvent:
    attempts, reason = (event.attempts, event.reason) if outcome is None else (event.attempts + 1, outcome.reason)
    return HeldEvent(seq=event.seq, jti=event.jti, attempts=attempts, due_in=due_in, reason=reason)


def _dead(event: QueuedEvent, outcome: Outcome | None) -> DeadEvent:
    attempts, reason = (event.attempts, event.reason) if outcome is None else (event.attempts + 1, outcome.reason)
    return DeadEvent(seq=event.seq, jti=event.jti, attempts=attempts, reason=reason)


def _lane_due_in(
    work: LaneWork, parts: _Parts, cursor: int, pending_due_in: timedelta | None, quiet_for: timedelta
) -> timedelta | None:
    """Return the time until the lane should be claimed again; None: no event is left."""
    is_shorter = parts.accepted or parts.rejected or parts.expired or parts.erased
    if work.last_seq > cursor and (not work.full or is_shorter):
        return quiet_for
    return None if pending_due_in is None else max(pending_due_in, quiet_for)
