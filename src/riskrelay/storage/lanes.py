"""Claiming lanes and settling batches: every write says `WHERE epoch = mine`, and 0 rows means stop."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from riskrelay.delivery.attempts import Attempt, DeliveryState
from riskrelay.delivery.lanes import (
    MAX_HELD_EVENTS,
    DeadEvent,
    HeldEvent,
    LaneKey,
    LaneLease,
    LaneWork,
    QueuedEvent,
    Settlement,
)
from riskrelay.errors import LeaseLost
from riskrelay.ssf.outcomes import Outcome
from riskrelay.ssf.streams import Stream, StreamStatus
from riskrelay.storage.events import EVENT_KEY, lane_is
from riskrelay.storage.integrations import select_streams, stream_from
from riskrelay.storage.statements import insert_into
from riskrelay.storage.tables import (
    attempts,
    database_now,
    events,
    held_events,
    integrations,
    lanes,
    micros,
    moment,
    streams,
)

_KEY = (lanes.c.account_id, lanes.c.stream_id, lanes.c.lane)
_EVENT = (
    events.c.seq,
    events.c.jti,
    events.c.subject_key,
    events.c.claims,
    events.c.queued_at,
)
_FREE = lanes.c.due_at.is_not(None) & (lanes.c.stopped == false())


class LaneRows:
    """Implements ports.Lanes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, limit: int, lease: timedelta) -> list[LaneLease]:
        now = database_now()
        due = (
            select(*_KEY)
            .where(_FREE, lanes.c.due_at <= now, lanes.c.lease_until <= now)
            .order_by(lanes.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(lanes)
            .where(tuple_(*_KEY).in_(due))
            .values(epoch=lanes.c.epoch + 1, lease_until=now + micros(lease))
            .returning(*_KEY, lanes.c.epoch)
        )
        return [LaneLease(LaneKey(*row[:3]), row.epoch) for row in self._connection.execute(claimed)]

    def next_due_in(self) -> timedelta | None:
        when = case((lanes.c.due_at > lanes.c.lease_until, lanes.c.due_at), else_=lanes.c.lease_until)
        wait = self._connection.execute(select(func.min(when) - database_now()).where(_FREE)).scalar_one()
        return None if wait is None else timedelta(microseconds=max(wait, 0))

    def read(self, lease: LaneLease, limit: int, retention: timedelta) -> LaneWork:
        lane = self._connection.execute(
            select(lanes.c.cursor, lanes.c.failures, lanes.c.last_seq, database_now().label("now")).where(
                lane_is(lease.key), lanes.c.epoch == lease.epoch
            )
        ).first()
        if lane is None:
            raise LeaseLost
        held = self._held(lease.key, lane.now, retention)
        fresh: list[QueuedEvent] = []
        if len(held) < MAX_HELD_EVENTS and lane.last_seq > lane.cursor:
            fresh = self._fresh(lease.key, lane.cursor, limit, moment(lane.now) - retention)
        return LaneWork(self._stream(lease.key), lane.cursor, lane.failures, held, fresh, lane.last_seq)

    def settle(
        self,
        lease: LaneLease,
        work: LaneWork,
        settlement: Settlement,
        tried: Sequence[Attempt],
        extend: timedelta,
    ) -> None:
        now = database_now()
        quiet_until = now + micros(settlement.quiet_for)
        due_at = literal(None) if settlement.due_in is None else now + micros(settlement.due_in)
        self._write(
            lease,
            cursor=settlement.cursor,
            delivered=lanes.c.delivered + settlement.delivered,
            failures=settlement.failures,
            blocked_until=quiet_until if settlement.quiet_for else 0,
            lease_until=now + micros(extend),
            # Events queued since the lane was read have made it due; that must not be overwritten.
            due_at=case((lanes.c.last_seq > work.last_seq, quiet_until), else_=due_at),
        )
        self._insert_attempts(lease.key, tried)
        self._delete_held(lease.key, settlement.released)
        self._upsert_held(lease.key, settlement)

    def release(self, lease: LaneLease) -> None:
        self._connection.execute(
            update(lanes).where(lane_is(lease.key), lanes.c.epoch == lease.epoch).values(lease_until=0)
        )

    def release_all(self) -> None:
        self._connection.execute(
            update(lanes).where(lanes.c.lease_until > 0).values(lease_until=0, epoch=lanes.c.epoch + 1)
        )

    def stop_stream(self, lease: LaneLease, status: StreamStatus, outcome: Outcome) -> None:
        key = lease.key
        self._write(lease)
        self._connection.execute(
            update(streams)
            .where(streams.c.account_id == key.account_id, streams.c.stream_id == key.stream_id)
            .values(status=status.value, status_reason=outcome.reason)
        )
        self._connection.execute(
            update(lanes)
            .where(lanes.c.account_id == key.account_id, lanes.c.stream_id == key.stream_id)
            .values(stopped=True)
        )

    def _write(self, lease: LaneLease, **values: object) -> None:
        values.setdefault("epoch", lease.epoch)
        mine = update(lanes).where(lane_is(lease.key), lanes.c.epoch == lease.epoch).values(**values)
        if self._connection.execute(mine).rowcount != 1:
            raise LeaseLost

    def _stream(self, key: LaneKey) -> Stream | None:
        query = select_streams().where(
            streams.c.account_id == key.account_id,
            streams.c.stream_id == key.stream_id,
            streams.c.status == StreamStatus.ENABLED.value,
            integrations.c.active,
            integrations.c.deleted_at.is_(None),
        )
        row = self._connection.execute(query).first()
        return None if row is None else stream_from(row)

    def _held(self, key: LaneKey, now: int, retention: timedelta) -> list[QueuedEvent]:
        joined = held_events.join(
            events,
            and_(
                *(held_events.c[name] == events.c[name] for name in EVENT_KEY)
            ),
        )
        query = (
            select(*_EVENT, held_events.c.attempts, held_events.c.due_at, held_events.c.reason)
            .select_from(joined)
            .where(_of(held_events, key), held_events.c.state == DeliveryState.PENDING.value)
            .order_by(held_events.c.seq)
            .limit(MAX_HELD_EVENTS + 1)
        )
        return [
            _queued(
                row,
                moment(now) - retention,
                tried=row.attempts,
                due_in=timedelta(microseconds=row.due_at - now),
                reason=row.reason,
            )
            for row in self._connection.execute(query)
        ]

    def _fresh(self, key: LaneKey, cursor: int, limit: int, oldest: datetime) -> list[QueuedEvent]:
        query = select(*_EVENT).where(_of(events, key), events.c.seq > cursor).order_by(events.c.seq).limit(limit)
        return [_queued(row, oldest) for row in self._connection.execute(query)]

    def _insert_attempts(self, key: LaneKey, tried: Sequence[Attempt]) -> None:
        rows = [
            {
                "account_id": key.account_id,
                "stream_id": key.stream_id,
                "lane": key.lane,
                "seq": attempt.seq,
                "number": attempt.number,
                "started_at": attempt.started_at,
                "duration_us": micros(attempt.duration),
                "outcome": attempt.outcome.kind.value,
                "reason": attempt.outcome.reason,
                "http_status": attempt.outcome.status,
                "detail": attempt.outcome.detail,
            }
            for attempt in tried
        ]
        if rows:
            self._connection.execute(insert(attempts), rows)

    def _delete_held(self, key: LaneKey, released: Sequence[int]) -> None:
        if released:
            self._connection.execute(delete(held_events).where(_of(held_events, key), held_events.c.seq.in_(released)))

    def _upsert_held(self, key: LaneKey, settlement: Settlement) -> None:
        rows = [_held_row(key, row, DeliveryState.PENDING, micros(row.due_in)) for row in settlement.held]
        rows += [_held_row(key, row, DeliveryState.DEAD, 0) for row in settlement.dead]
        rows += [_held_row(key, row, DeliveryState.EXPIRED, 0) for row in settlement.expired]
        if not rows:
            return
        statement = insert_into(self._connection, held_events).values(
            due_at=database_now() + bindparam("due_in_us", type_=BigInteger)
        )
        written = ("state", "attempts", "due_at", "reason")
        statement = statement.on_conflict_do_update(
            index_elements=list(held_events.primary_key.columns),
            set_={name: statement.excluded[name] for name in written},
        )
        self._connection.execute(statement, rows)


def _of(table: Table, key: LaneKey) -> ColumnElement[bool]:
    """The rows of *table* that belong to the lane."""
    return (
        (table.c.account_id == key.account_id) & (table.c.stream_id == key.stream_id) & (table.c.lane == key.lane)
    )


def _held_row(
    key: LaneKey, row: HeldEvent | DeadEvent, state: DeliveryState, due_in_us: int
) -> dict[str, object]:
    return {
        "account_id": key.account_id,
        "stream_id": key.stream_id,
        "lane": key.lane,
        "seq": row.seq,
        "state": state.value,
        "attempts": row.attempts,
        "due_in_us": due_in_us,
        "reason": row.reason,
    }


def _queued(
    row: Row[*tuple[object, ...]],
    oldest: datetime,
    tried: int = 0,
    due_in: timedelta = timedelta(0),
    reason: str = "waiting",
) -> QueuedEvent:
    seq, jti, subject_key, claims, queued_at = row[:5]
    expired = queued_at < oldest  # type: ignore[operator]
    return QueuedEvent(seq, jti, subject_key, claims, queued_at, tried, due_in, reason, expired)  # type: ignore[arg-type]
