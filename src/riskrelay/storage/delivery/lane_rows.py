"""Rows of a lane's events: what is read of the log, and what is written down of a batch."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from riskrelay.core.delivery.attempts import Attempt, DeliveryState
from riskrelay.core.delivery.clock import legal_wait
from riskrelay.core.delivery.lanes import DeadEvent, HeldEvent, LaneKey, QueuedEvent
from riskrelay.storage.times import micros, moment, number_of


def attempt_row(key: LaneKey, attempt: Attempt) -> tuple[object, ...]:
    """A row for the driver, in the order of the table's columns."""
    outcome = attempt.outcome
    return (
        key.account_id,
        key.stream_id,
        key.lane,
        attempt.seq,
        attempt.number,
        number_of(attempt.started_at),
        micros(attempt.duration),
        outcome.kind.value,
        outcome.reason,
        outcome.status,
        outcome.detail,
        *map(_micros, outcome.phases),
    )


def _micros(duration: timedelta | None) -> int | None:
    return None if duration is None else micros(duration)


def held_row(key: LaneKey, row: HeldEvent | DeadEvent, state: DeliveryState, due_us: int) -> dict[str, object]:
    """A row of an exception, with its wait in the place of its time."""
    return {
        "account_id": key.account_id,
        "stream_id": key.stream_id,
        "lane": key.lane,
        "seq": row.seq,
        "state": state.value,
        "attempts": row.attempts,
        "due_us": due_us,
        "reason": row.reason,
    }


def queued_from(row: Row[*tuple[Any, ...]], oldest: datetime) -> QueuedEvent:
    """Read an event that has no row of its own."""
    seq, jti, subject_key, claims, queued_at = row
    return QueuedEvent(
        seq=seq, jti=jti, subject_key=subject_key, claims=claims, queued_at=queued_at, expired=queued_at < oldest
    )


def held_from(row: Row[*tuple[Any, ...]], now: int, oldest: datetime) -> QueuedEvent:
    """Read an event that is held."""
    seq, jti, subject_key, claims, queued_at, tried, due_at, reason, replayed_at = row
    due_in = legal_wait(timedelta(microseconds=due_at - now))
    expired = max(queued_at, moment(replayed_at)) < oldest
    return QueuedEvent(
        seq=seq,
        jti=jti,
        subject_key=subject_key,
        claims=claims,
        queued_at=queued_at,
        attempts=tried,
        due_in=due_in,
        reason=reason,
        expired=expired,
    )
