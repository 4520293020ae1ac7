"""Steps of the database's clock, and their effects on waits and ages. Pure.

When a clock is set forward or back by hours or days, no event may expire and none may wait because of it. So the clock
is compared with a monotonic one. Ages are computed from compared readings, less the time that the clock skipped and the
time during which no process ran.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BACKWARD = timedelta(seconds=5)  # guessed: more than a slow read or a slewed clock; a shorter step is waited out
FORWARD = timedelta(minutes=10)  # guessed: more than a restart takes; it matters to ages of days only
CONFIRMED_AFTER = timedelta(minutes=10)  # guessed: time synchronization corrects a wrong clock within minutes
MAX_STEPS = 100  # guessed: bounds the record; the oldest steps are dropped first

LONGEST_WAIT = timedelta(hours=24)
"""The longest wait: a Retry-After is capped at it (faults.md 26), and backoff and breaker stay far below."""

LONGEST_LEASE = timedelta(minutes=10)
"""The longest lease that the settings allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """A step of the database's clock.

    Attributes:
        at: the first reading after it.
        by: the size of the jump; negative: back.
    """

    at: datetime
    by: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One reading of the database's clock by one process.

    Attributes:
        now: the time that it showed.
        steps_recorded: the number of steps that all processes had recorded.
        monotonic: monotonic seconds at the end of the reading.
    """

    now: datetime
    steps_recorded: int
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRecord:
    """The record of the database's clock, shared by all processes.

    Attributes:
        seen_at: the last reading that was compared with the one before; None: no reading yet.
        steps: the latest steps, the oldest first.
        steps_recorded: the number of all steps so far.
    """

    seen_at: datetime | None = None
    steps: Sequence[ClockStep] = ()
    steps_recorded: int = 0


def step_between(record: ClockRecord, before: ClockReading | None, now: datetime, monotonic: float) -> timedelta:
    """Compute how far the clock has jumped.

    Args:
        before: this process's previous reading; None: it has just started.
        now, monotonic: this process's reading now; the monotonic seconds when it began.

    Returns: zero for a steady clock. Time during which no process ran counts as a jump forward: the two cannot be told
        apart, and events that were queued before must not expire by either.
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
    """Return the time before which a record is older than *age*.

    Args:
        now: the clock's reading, used only while there is no compared reading.

    Returns: at the latest *age* before the last compared reading, and earlier by the time that the clock has skipped.
    """
    seen_at = now if record.seen_at is None else min(record.seen_at, now)
    before = seen_at - age
    for step in reversed(record.steps):
        if step.at > before:
            before -= step.by
    return min(before, seen_at - age)


def confirmed_now(record: ClockRecord, now: datetime) -> datetime:
    """Return the time by which something may expire: the clock's reading, less the steps that are not yet confirmed.

    A step forward is confirmed when the clock has kept its course for CONFIRMED_AFTER since. So a clock that jumped for
    a short time expires nothing, and what was due while no process ran expires shortly after the restart.

    Args:
        now: the clock's reading.
    """
    if record.seen_at is None:
        return now
    if now - record.seen_at >= FORWARD:  # a jump, or a restart, that no process has recorded yet
        return record.seen_at
    left, at, confirmed = CONFIRMED_AFTER, now, now
    for step in reversed(record.steps):
        since = max(at - step.at, timedelta(0))
        if since >= left:
            break
        left -= since
        confirmed -= step.by
        at = step.at - step.by
    return min(now, confirmed)


def legal_wait(due_in: timedelta) -> timedelta:
    """Return the wait, or zero when it is longer than the longest legal one: then the clock has jumped.

    >>> legal_wait(timedelta(days=19)), legal_wait(timedelta(hours=3))
    (datetime.timedelta(0), datetime.timedelta(seconds=10800))
    """
    return timedelta(0) if due_in > LONGEST_WAIT else due_in
