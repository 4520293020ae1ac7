"""Steps of the database's clock: what they mean for waits and for ages. Pure.

A clock that is put right, or wrong, by hours or days must let nothing expire and keep nothing waiting. So the clock is
compared with seconds that only grow. What is old is judged by readings that were compared, less the time that the clock
skipped or that nobody watched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BACKWARD = timedelta(seconds=5)  # guessed: more than a slow read or a slewed clock; a shorter step is waited out
FORWARD = timedelta(minutes=10)  # guessed: more than a restart takes; it matters to ages of days only
MAX_STEPS = 100  # guessed: bounds the record; older steps are forgotten first

LONGEST_WAIT = timedelta(hours=24)
"""The longest that anything may wait: a Retry-After is capped there (faults.md 26), backoff and breaker far below."""

LONGEST_LEASE = timedelta(minutes=10)
"""The longest lease that the settings allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """A step of the database's clock.

    Attributes:
        at: the first reading after it.
        by: how far it jumped; below zero: back.
    """

    at: datetime
    by: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One reading of the database's clock by one process.

    Attributes:
        now: what it said.
        steps_recorded: how many steps all processes had recorded by then.
        monotonic: seconds that only grow, when the reading was over.
    """

    now: datetime
    steps_recorded: int
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRecord:
    """What all processes know of the database's clock.

    Attributes:
        seen_at: the last reading that was compared with the one before; None: nobody has watched it yet.
        steps: the latest, the oldest first.
        steps_recorded: how many there ever were.
    """

    seen_at: datetime | None = None
    steps: Sequence[ClockStep] = ()
    steps_recorded: int = 0


def step_between(record: ClockRecord, before: ClockReading | None, now: datetime, monotonic: float) -> timedelta:
    """Find out how far the clock has jumped.

    Args:
        before: this process's reading before; None: it has just started.
        now, monotonic: this process's reading now; the seconds when it began.

    Returns: zero when it went on steadily. Time that nobody watched counts as a jump forward: nobody can tell them
        apart, and what was queued before must not expire by either.
    """
    if record.seen_at is None:
        return timedelta(0)
    unwatched = now - record.seen_at
    if before is None:
        jump = unwatched
    elif before.steps_recorded != record.steps_recorded:
        return timedelta(0)  # another process was quicker
    else:
        jump = now - before.now - timedelta(seconds=monotonic - before.monotonic)
    if jump <= -BACKWARD:
        return jump
    jump = min(jump, unwatched)  # a process that was suspended: the others watched meanwhile
    return jump if jump >= FORWARD else timedelta(0)


def with_step(record: ClockRecord, step: ClockStep) -> ClockRecord:
    """Add a step to the record."""
    return ClockRecord(
        seen_at=record.seen_at,
        steps=[*record.steps, step][-MAX_STEPS:],
        steps_recorded=record.steps_recorded + 1,
    )


def too_old_before(record: ClockRecord, now: datetime, age: timedelta) -> datetime:
    """Find the moment before which something is older than *age*.

    Args:
        now: the clock's reading, which decides only while nobody has watched it.

    Returns: never later than *age* before the last compared reading, and earlier by what the clock has skipped since.
    """
    seen_at = now if record.seen_at is None else min(record.seen_at, now)
    before = seen_at - age
    for step in reversed(record.steps):
        if step.at > before:
            before -= step.by
    return min(before, seen_at - age)


def legal_wait(due_in: timedelta) -> timedelta:
    """Bound a wait: one that is longer than any may be was made by a clock that jumped, and is over.

    >>> legal_wait(timedelta(days=19)), legal_wait(timedelta(hours=3))
    (datetime.timedelta(0), datetime.timedelta(seconds=10800))
    """
    return timedelta(0) if due_in > LONGEST_WAIT else due_in
