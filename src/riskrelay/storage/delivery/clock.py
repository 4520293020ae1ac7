"""The record of the database's clock, and the correction of stored times after a step."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, insert, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.clock import (
    LONGEST_LEASE,
    LONGEST_WAIT,
    ClockReading,
    ClockRecord,
    ClockStep,
    confirmed_now,
    step_between,
    too_old_before,
    with_step,
)
from riskrelay.storage.tables import INSTALLATION, clock_readings, held_events, lanes
from riskrelay.storage.times import database_now, later_of, micros, moment, number_of

_NOW = select(database_now()).scalar_subquery()
_RECORD = select(
    clock_readings.c.seen_at, clock_readings.c.steps, clock_readings.c.steps_recorded, _NOW.label("now")
).where(clock_readings.c.account_id == INSTALLATION)
_STEPS: msgspec.json.Decoder[list[tuple[int, int]]] = msgspec.json.Decoder(list[tuple[int, int]])
_BACK = bindparam("back", type_=BigInteger)

# Times that were written before the clock was set back are too late by the step, so they are moved. Times written
# since then are moved too; these become due early once.
_LANES_BACK = (
    update(lanes)
    .where((lanes.c.due_at > _NOW) | (lanes.c.blocked_until > _NOW))
    .values(
        due_at=case((lanes.c.due_at > _NOW, later_of(lanes.c.due_at - _BACK, _NOW)), else_=lanes.c.due_at),
        blocked_until=case((lanes.c.blocked_until > _NOW, lanes.c.blocked_until - _BACK), else_=lanes.c.blocked_until),
    )
)
_HELD_BACK = (
    update(held_events)
    .where(held_events.c.state == DeliveryState.PENDING.value, held_events.c.due_at > _NOW)
    .values(due_at=held_events.c.due_at - _BACK)
)
_LAST_LEGAL = _NOW + micros(LONGEST_WAIT)
_BOUND_DUE = update(lanes).where(lanes.c.due_at > _LAST_LEGAL).values(due_at=_NOW, blocked_until=0)
_BOUND_LEASES = update(lanes).where(lanes.c.lease_until > _NOW + micros(LONGEST_LEASE)).values(lease_until=0)
_BOUND_BLOCKS = update(lanes).where(lanes.c.blocked_until > _LAST_LEGAL).values(blocked_until=0)


def clock_readings_of(name: str) -> ColumnElement[Any]:
    """Build a subquery of one column of the record, for use in a larger statement."""
    return (
        select(clock_readings.c[name]).where(clock_readings.c.account_id == INSTALLATION).correlate(None)
    ).scalar_subquery()


class ClockRows:
    """Implements ports.DatabaseClock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, monotonic: float) -> ClockReading:
        record, now = read_record(self._connection)
        return ClockReading(now=now, steps_recorded=record.steps_recorded, monotonic=monotonic)

    def observe(self, before: ClockReading | None, monotonic: float) -> tuple[ClockReading, timedelta]:
        self._lock()
        record, now = read_record(self._connection)
        step = step_between(record, before, now, monotonic)
        if step:
            record = with_step(record, ClockStep(at=now, by=step))
        if step < timedelta(0):
            back = {"back": micros(-step)}
            self._connection.execute(_LANES_BACK, back)
            self._connection.execute(_HELD_BACK, back)
        if step or before is None:
            for statement in (_BOUND_DUE, _BOUND_LEASES, _BOUND_BLOCKS):
                self._connection.execute(statement)
        self._write(record, now)
        return ClockReading(now=now, steps_recorded=record.steps_recorded, monotonic=monotonic), step

    def _lock(self) -> None:
        """Lock the record, so that only one process records a step that two processes see."""
        query = select(clock_readings.c.seen_at).where(clock_readings.c.account_id == INSTALLATION)
        if self._connection.execute(query.with_for_update()).first() is None:
            row = {"account_id": INSTALLATION, "seen_at": 0, "steps": "[]", "steps_recorded": 0}
            self._connection.execute(insert(clock_readings), row)

    def _write(self, record: ClockRecord, now: datetime) -> None:
        steps = [(number_of(step.at), micros(step.by)) for step in record.steps]
        self._connection.execute(
            update(clock_readings)
            .where(clock_readings.c.account_id == INSTALLATION)
            .values(
                seen_at=number_of(now),
                steps=msgspec.json.encode(steps).decode(),
                steps_recorded=record.steps_recorded,
            )
        )


def read_record(connection: Connection) -> tuple[ClockRecord, datetime]:
    """Read the record of the clock, and the time now."""
    row = connection.execute(_RECORD).first()
    if row is None:
        return ClockRecord(), moment(connection.execute(select(database_now())).scalar_one())
    return record_from(row.seen_at, row.steps, row.steps_recorded), moment(row.now)


def record_from(seen_at: int | None, steps: str | None, steps_recorded: int = 0) -> ClockRecord:
    """Build the record from its columns; None: no record exists yet."""
    return ClockRecord(
        seen_at=moment(seen_at) if seen_at else None,
        steps=[ClockStep(at=moment(at), by=timedelta(microseconds=by)) for at, by in _STEPS.decode(steps or "[]")],
        steps_recorded=steps_recorded,
    )


def read_confirmed_now(connection: Connection) -> datetime:
    """Return the time by which something may expire."""
    return confirmed_now(*read_record(connection))


def cutoff(connection: Connection, age: timedelta) -> int:
    """Return the time before which a row is older than *age*, corrected for clock steps, in the unit of time
    columns."""
    record, now = read_record(connection)
    return micros(too_old_before(record, now, age) - moment(0))
