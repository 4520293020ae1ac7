"""A lane: a stream's events in order, worked off by one owner at a time.

A lane has a cursor. Every event at or below it is settled, or has a row of its own that says why not (it failed, it
waits behind one that failed, it died). So a delivery that works writes no row, and a dead receiver's backlog of a
million events is a million queued events and a handful of rows. docs/delivery-cycle.md tells the whole story.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from msgspec import Struct

from riskrelay.core.delivery.decisions import Fate, LaneDecision, decide, decide_lane
from riskrelay.core.delivery.rejecting import with_outcomes
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.streams import Stream, StreamId

BATCH_EVENTS = 256  # how many events one read takes: also the bound on extra copies after a crash (ADR 0004)
MAX_HELD_EVENTS = 1_000  # guessed: above this many failed or waiting events a lane takes no new ones
NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class LaneKey:
    """Which lane."""

    account_id: AccountId
    stream_id: StreamId
    lane: int


@dataclass(frozen=True, slots=True)
class LaneLease:
    """The right to work on a lane until the lease ends. Every write names the epoch; 0 rows means stop."""

    key: LaneKey
    epoch: int


@dataclass(frozen=True, slots=True)
class NextDue:
    """What waits to be claimed.

    Attributes:
        due_in: how long until some free lane is due; None when none waits.
        since: no lane has been due for longer, by the database's clock: a later look may begin there.
    """

    due_in: timedelta | None
    since: datetime


class QueuedEvent(Struct, frozen=True, kw_only=True):
    """A delivery: one SET queued for one stream.

    Attributes:
        seq: its place in the lane, from 1, without gaps.
        subject_key: events with the same key keep their order.
        claims: the fixed claims (see ssf.sets).
        queued_at: aware UTC, for measuring; whether it has expired is judged by the database's clock.
        attempts: how often it was tried before.
        due_in: how long until it may be tried; zero or less: now.
        reason: why it is held, for an event that has a row.
        expired: queued, or replayed, longer ago than the retention.
    """

    seq: int
    jti: Jti
    subject_key: str
    claims: bytes
    queued_at: datetime
    attempts: int = 0
    due_in: timedelta = NOW
    reason: str = "waiting"
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneWork:
    """A lane as it stood in one read: what to push, and where.

    Attributes:
        stream: None when nothing may be pushed now (paused, disabled, inactive, deleted, or asked for quiet meanwhile).
        cursor: all up to here is settled or among *held*.
        failures: how many batches in a row brought nothing but failure, or were throttled; above 0 the lane only
            probes.
        held: events at or below the cursor that failed or wait behind one that did, in order.
        fresh: the next events above the cursor, in order and without a gap; none when the lane holds too many.
        last_seq: the newest event of the lane when it was read.
        replayed: how many events of the lane had ever been replayed by then.
        edits: how often its stream had been edited or resumed by then.
        blocked_until: until then its receiver was to be left alone, by the database's clock; None: it is not known.
        recent_answers: its receiver's latest answers (see delivery.rejecting).
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

    @property
    def full(self) -> bool:
        """Too many events are held: the lane takes no new ones until some of those have gone."""
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
    """A row to write: *seq* was refused for good by its receiver, or has outlived the retention."""

    seq: int
    jti: Jti
    attempts: int
    reason: str


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What to write down after a batch, in one transaction.

    Attributes:
        cursor: the new one, never below the old.
        delivered: how many events were accepted.
        released: events that had a row and need none any more.
        held: rows to insert or update.
        failures: the lane's new count.
        quiet_for: nothing is pushed on this lane before this has passed.
        asked_for: its receiver asked to be left alone for so long (Retry-After), so every lane of the stream waits.
        due_in: when the held events want the lane again; None when nothing is left.
        recent_answers: the latest answers, with those of the batch.
    """

    cursor: int
    delivered: int = 0
    expired: list[DeadEvent] = field(default_factory=list)
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
        """Whether anything is not tried at once that could be."""
        is_late = self.due_in is not None and self.due_in > NOW
        return bool(self.held) or self.failures > 0 or self.quiet_for > NOW or is_late

    def without_waits(self) -> "Settlement":
        """The same for a stream that was edited meanwhile: what became of the events stays true, but how the receiver
        was says nothing of the one that the stream has now."""
        held = [replace(event, due_in=NOW) for event in self.held]
        due_in = None if self.due_in is None else NOW
        return replace(self, held=held, failures=0, quiet_for=NOW, asked_for=NOW, due_in=due_in, recent_answers="")


def chains(work: LaneWork, limit: int = BATCH_EVENTS) -> list[list[QueuedEvent]]:
    """Choose what to push now.

    Args:
        limit: at most so many events (a lane that has just recovered starts slowly).

    Returns: one list per subject, each to be pushed strictly in order, the lists side by side. A lane with
        failures gets a single event: the one tried least often, so that one poisonous event cannot starve
        the others. Events that have expired are in none.
    Rule: design 3, 6; order per subject is faults.md C5.
    """
    by_subject: dict[str, list[QueuedEvent]] = {}
    for event in [*work.held, *work.fresh]:
        if not event.expired:
            by_subject.setdefault(event.subject_key, []).append(event)
    if work.failures:
        heads = [chain[0] for chain in by_subject.values()]
        return [[min(heads, key=lambda event: (event.attempts, event.seq))]] if heads else []
    ready = [chain for chain in by_subject.values() if chain[0].due_in <= NOW]
    return _first(ready, limit)


def following(work: LaneWork, chosen: Sequence[Sequence[QueuedEvent]]) -> list[QueuedEvent]:
    """The fresh events behind those that were chosen, which the next batch begins with if all goes well.

    Returns: none when the lane has failed.
    """
    if work.failures:
        return []
    last = max((events[-1].seq for events in chosen), default=work.cursor)
    return [event for event in work.fresh if event.seq > last and not event.expired]


def _first(ready: list[list[QueuedEvent]], limit: int) -> list[list[QueuedEvent]]:
    """The *limit* events that were queued first, still grouped."""
    if sum(map(len, ready)) <= limit:
        return ready
    last = sorted(event.seq for chain in ready for event in chain)[limit - 1]
    cut = [[event for event in chain if event.seq <= last] for chain in ready]
    return [chain for chain in cut if chain]


def settle(work: LaneWork, outcomes: Mapping[int, Outcome], jitter: Callable[[], float]) -> Settlement:
    """Decide what to write down after a batch.

    Args:
        work: the read that the batch was chosen from.
        outcomes: by seq, in the order in which they ended; an event that was chosen but not reached has none.
        jitter: a fresh number from 0 to 1 at each call.

    Rule: design 2, 6. The cursor passes an event only when it was accepted, died, expired, or gets a row.
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
    """Return the highest seq up to which every event was attempted, has expired, or is blocked by a held event."""
    cursor = work.cursor
    for event in work.fresh:
        if event.seq in outcomes or event.expired:
            cursor = event.seq
    if work.failures:  # a lane that only probes passes one event at a time: a dead receiver must not cost 256 rows
        return cursor
    blocked = {event.subject_key for event in work.held if event.due_in > NOW and not event.expired}
    for event in work.fresh:
        if event.seq > cursor:
            if event.subject_key not in blocked:
                break
            cursor = event.seq
    return cursor


@dataclass(slots=True, kw_only=True)
class _Parts:
    """The events up to the new cursor, by what became of them; each list in the order of the lane.

    Attributes:
        pending: tried again later, or not reached.
    """

    accepted: list[QueuedEvent] = field(default_factory=list)
    rejected: list[QueuedEvent] = field(default_factory=list)
    expired: list[QueuedEvent] = field(default_factory=list)
    pending: list[QueuedEvent] = field(default_factory=list)


def _partition(work: LaneWork, outcomes: Mapping[int, Outcome], cursor: int) -> _Parts:
    parts = _Parts()
    of_fate = {Fate.DELIVERED: parts.accepted, Fate.DEAD: parts.rejected, Fate.RETRIED: parts.pending}
    for event in [*work.held, *(event for event in work.fresh if event.seq <= cursor)]:
        outcome = outcomes.get(event.seq)
        if outcome is not None:
            of_fate[decide(outcome).fate].append(event)
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
    """Return how long each pending event waits by itself, by seq.

    A new event that was not reached has no wait of its own: it is due with the first of its subject.
    """
    has_recovered = work.failures > 0 and lane.failures == 0
    waits: dict[int, timedelta] = {}
    for event in pending:
        outcome = outcomes.get(event.seq)
        if outcome is not None:
            waits[event.seq] = max(decide(outcome).retry_wait(event.attempts + 1, jitter()), lane.quiet_for)
        elif event.seq <= work.cursor:
            # The waits that grew while the receiver was down end with the first event that it accepts.
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
    """Return how long until the lane wants to be claimed again; None when nothing is left."""
    is_shorter = parts.accepted or parts.rejected or parts.expired
    if work.last_seq > cursor and (not work.full or is_shorter):
        return quiet_for
    return None if pending_due_in is None else max(pending_due_in, quiet_for)
