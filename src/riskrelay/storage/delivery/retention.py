"""Expire undelivered events and delete settled ones by age, in bounded steps."""

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import Replay
from riskrelay.core.integrations import AccountId
from riskrelay.core.jobs import JobStatus
from riskrelay.storage.delivery.clock import cutoff
from riskrelay.storage.delivery.deliveries import EVENT_KEY
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.delivery.replays import replay_from
from riskrelay.storage.engines import partitions
from riskrelay.storage.tables import IS_PENDING, attempts, events, held_events, lanes, replays
from riskrelay.storage.times import database_now, later_of

_KEY = (lanes.c.account_id, lanes.c.stream_id, lanes.c.lane)
_IN_LANE = and_(*(events.c[name] == lanes.c[name] for name in EVENT_KEY[:3]))
_IS_EVENT = and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY))
_QUEUED_AT: ColumnElement[int] = type_coerce(events.c.queued_at, BigInteger)
_IS_FREE = lanes.c.lease_until <= database_now()
# Superseded events are counted in their lanes already.
_PURGED = {
    DeliveryState.DEAD.value: "purged_dead",
    DeliveryState.EXPIRED.value: "purged_expired",
    DeliveryState.CANCELLED.value: "purged_cancelled",
    DeliveryState.ERASED.value: "purged_erased",
}
# A lane without undelivered events must not stay due, or a worker would claim it every second and find no work.
_IS_LEFT = select(held_events.c.seq).where(of_lane(held_events), IS_PENDING).exists()
_PASS = (
    update(lanes)
    .where(this_lane())
    .values(
        cursor=bindparam("through", type_=BigInteger),
        due_at=case(
            (or_(lanes.c.last_seq > bindparam("through", type_=BigInteger), _IS_LEFT), lanes.c.due_at), else_=None
        ),
    )
)


class RetentionRows:
    """Implements ports.Retention."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lanes_to_expire(self, retention: timedelta, limit: int) -> list[LaneKey]:
        before = cutoff(self._connection, retention)
        next_one = select(_QUEUED_AT).where(_IN_LANE, events.c.seq == lanes.c.cursor + 1).scalar_subquery()
        held = (
            select(held_events.c.seq)
            .select_from(held_events.join(events, _IS_EVENT))
            .where(
                and_(*(held_events.c[name] == lanes.c[name] for name in EVENT_KEY[:3])),
                IS_PENDING,
                later_of(_QUEUED_AT, held_events.c.replayed_at) < before,
            )
            .correlate(lanes)
            .exists()
        )
        waits = lanes.c.last_seq > lanes.c.cursor
        query = select(*_KEY).where(_IS_FREE, or_(and_(waits, next_one < before), held)).limit(limit)
        return [LaneKey(row.account_id, row.stream_id, row.lane) for row in self._connection.execute(query)]

    def expire(self, key: LaneKey, retention: timedelta, limit: int) -> int:
        lane = self._take(key, _IS_FREE)
        if lane is None:
            return 0
        before = cutoff(self._connection, retention)
        held = self._expire_held(key, before)
        through = self._old_through(key, lane.cursor, before, limit)
        self._insert_expired(key, lane.cursor, through)
        self._connection.execute(_PASS, {**lane_parameters(key), "through": through})
        return held + through - int(lane.cursor)

    def lanes_to_purge(self, kept: timedelta, limit: int) -> list[LaneKey]:
        oldest = select(_QUEUED_AT).where(_IN_LANE).order_by(events.c.seq).limit(1).scalar_subquery()
        query = select(*_KEY).where(oldest < cutoff(self._connection, self._row_by_row(kept))).limit(limit)
        return [LaneKey(row.account_id, row.stream_id, row.lane) for row in self._connection.execute(query)]

    def purge(self, key: LaneKey, kept: timedelta, limit: int) -> int:
        parameters = lane_parameters(key)
        lane = self._connection.execute(select(lanes.c.cursor).where(this_lane()).with_for_update(), parameters).one()
        query = (
            select(events.c.seq, held_events.c.state)
            .select_from(events.outerjoin(held_events, _IS_EVENT))
            .where(
                of_lane(events),
                events.c.seq <= lane.cursor,
                cutoff(self._connection, self._row_by_row(kept)) > _QUEUED_AT,
                or_(held_events.c.state.is_(None), ~IS_PENDING),
            )
            .order_by(events.c.seq)
            .limit(limit)
        )
        found = self._connection.execute(query, parameters).all()
        seqs = [row.seq for row in found]
        if not seqs:
            return 0
        for table in (attempts, held_events, events):
            self._connection.execute(delete(table).where(of_lane(table), table.c.seq.in_(seqs)), parameters)
        counts = Counter(row.state for row in found if row.state is not None)
        totals = {name: lanes.c[name] + counts[state] for state, name in _PURGED.items() if counts[state]}
        if totals:
            self._connection.execute(update(lanes).where(this_lane()).values(totals), parameters)
        return len(seqs)

    def _row_by_row(self, kept: timedelta) -> timedelta:
        """Return the age at which rows are deleted one by one.

        With partitions, only rows whose partition was not dropped.
        """
        return kept + 2 * partitions.width(kept) if partitions.has_partitions(self._connection) else kept

    def lanes_to_cancel(self, limit: int) -> list[LaneKey]:
        query = select(*_KEY).where(lanes.c.cancel_through > literal_column("0")).limit(limit)
        return [LaneKey(row.account_id, row.stream_id, row.lane) for row in self._connection.execute(query)]

    def running_replays(self, limit: int) -> list[tuple[AccountId, Replay]]:
        query = (
            select(replays)
            .where(replays.c.status == JobStatus.RUNNING.value)
            .order_by(replays.c.created_at)
            .limit(limit)
        )
        return [(row.account_id, replay_from(row)) for row in self._connection.execute(query)]

    def _take(self, key: LaneKey, condition: ColumnElement[bool]) -> Row[*tuple[Any, ...]] | None:
        """Take a lane by a new epoch, so that a worker that claimed it before can no longer write."""
        taken = update(lanes).where(this_lane(), condition).values(epoch=lanes.c.epoch + 1)
        return self._connection.execute(taken.returning(lanes.c.cursor), lane_parameters(key)).first()

    def _expire_held(self, key: LaneKey, before: int) -> int:
        old = select(events.c.seq).where(_IS_EVENT, later_of(_QUEUED_AT, held_events.c.replayed_at) < before)
        expired = self._connection.execute(
            update(held_events)
            .where(of_lane(held_events), IS_PENDING, old.exists())
            .values(state=DeliveryState.EXPIRED.value),
            lane_parameters(key),
        )
        return expired.rowcount

    def _old_through(self, key: LaneKey, cursor: int, before: int, limit: int) -> int:
        """Return the last number, at most *limit* above the cursor, up to which every event is too old."""
        query = (
            select(events.c.seq, _QUEUED_AT.label("queued_at"))
            .where(of_lane(events), events.c.seq > cursor)
            .order_by(events.c.seq)
            .limit(limit)
        )
        through = cursor
        for row in self._connection.execute(query, lane_parameters(key)):
            if row.queued_at >= before:
                break
            through = row.seq
        return through

    def _insert_expired(self, key: LaneKey, cursor: int, through: int) -> None:
        names = [*EVENT_KEY, "state", "attempts", "due_at", "reason"]
        rows = select(
            *(events.c[name] for name in EVENT_KEY),
            literal(DeliveryState.EXPIRED.value),
            literal(0),
            literal(0),
            literal("waiting"),
        ).where(of_lane(events), events.c.seq > cursor, events.c.seq <= through)
        self._connection.execute(insert(held_events).from_select(names, rows), lane_parameters(key))
