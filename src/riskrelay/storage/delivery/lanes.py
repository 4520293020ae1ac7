"""Read lanes and settle batches.

Every write has the condition `epoch = mine`; if it changes 0 rows, the lease is lost.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Connection,
    Integer,
    Row,
    String,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)

from riskrelay.core.delivery.attempts import Attempt, DeliveryState
from riskrelay.core.delivery.clock import too_old_before
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import (
    MAX_HELD_EVENTS,
    NOW,
    LaneKey,
    LaneLease,
    LaneWork,
    NextDue,
    Settlement,
)
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.delivery.rejecting import is_rejecting
from riskrelay.core.errors import LaneWithdrawn, LeaseLost
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import StreamStop
from riskrelay.storage.delivery.claiming import claim_longest_due, claim_named, next_due
from riskrelay.storage.delivery.clock import clock_readings_of, record_from
from riskrelay.storage.delivery.lane_rows import (
    EVENT_COLUMNS,
    PENDING_EVENTS,
    UPSERT_HELD,
    add_attempts,
    held_from,
    held_row,
    queued_from,
)
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.delivery.stopping import stop_stream
from riskrelay.storage.delivery.stream_rows import select_streams, stream_from
from riskrelay.storage.delivery.streams import lock_stream
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.tables import attempts, events, held_events, integrations, lanes, streams
from riskrelay.storage.times import database_now, later_of, micros, moment, number_of

_NOW = database_now()
OWNED = this_lane() & (lanes.c.epoch == bindparam("mine"))


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


_READ = (
    *("cursor", "failures", "last_seq", "replayed", "edits", "blocked_until", "recent_answers", "admitted"),
    "cancel_through",
)
_STATE = select(
    *(lanes.c[name] for name in _READ),
    _NOW.label("now"),
    *(clock_readings_of(name).label(name) for name in ("seen_at", "steps")),
)
# A settlement with a wait releases the lane. So a lane that is leased and blocked was blocked by another lane of the
# stream, whose receiver sent a Retry-After.
_IS_QUIETED = (lanes.c.blocked_until > _NOW) & (lanes.c.lease_until > _NOW)
_OWNED = _STATE.add_columns(_IS_QUIETED.label("is_quieted")).where(OWNED)
_LOOKED_AT = _STATE.where(this_lane())
_FRESH = (
    select(*EVENT_COLUMNS)
    .where(of_lane(events), events.c.seq > _number("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
_STREAM = select_streams().where(
    streams.c.account_id == bindparam("account"),
    streams.c.stream_id == bindparam("stream"),
    streams.c.deleted_at.is_(None),
    integrations.c.deleted_at.is_(None),
)

_QUIET_UNTIL = _NOW + _number("quiet_us")
# The wait that another lane of the stream set after this lane was read; 0 if there is none. It must not be shortened.
_OTHERS_WAIT = case((lanes.c.blocked_until > _number("seen_blocked"), lanes.c.blocked_until), else_=0)
_SETTLE = Prepared(
    update(lanes)
    .where(OWNED)
    .values(
        version=lanes.c.version + 1,
        cursor=_number("new_cursor"),
        delivered=lanes.c.delivered + _number("accepted"),
        delivered_at=case((_number("accepted") > 0, _NOW), else_=lanes.c.delivered_at),
        failures=bindparam("new_failures", type_=Integer),
        blocked_until=case(
            ((_number("quiet_us") > 0) | (_OTHERS_WAIT > 0), later_of(_OTHERS_WAIT, _QUIET_UNTIL)), else_=0
        ),
        # 0, not the current time: a released lane can be claimed at once, even if the clock is set back.
        lease_until=case((_number("lease_us") > 0, _NOW + _number("lease_us")), else_=0),
        # If events were queued or replayed since the lane was read, the lane stays due: this batch did not see them.
        due_at=case(
            (
                (lanes.c.last_seq > _number("seen")) | (lanes.c.replayed > _number("seen_replayed")),
                later_of(_OTHERS_WAIT, _QUIET_UNTIL),
            ),
            (_number("due_us").is_not(None), later_of(_OTHERS_WAIT, _NOW + _number("due_us"))),
            else_=None,
        ),
        attempted_at=case((bindparam("last_kind", type_=String).is_not(None), _NOW), else_=lanes.c.attempted_at),
        last_outcome=func.coalesce(bindparam("last_kind", type_=String), lanes.c.last_outcome),
        last_reason=func.coalesce(bindparam("last_why", type_=String), lanes.c.last_reason),
        recent_answers=bindparam("answers", type_=String),
        rejecting=bindparam("is_rejecting", type_=Boolean),
    )
)
# A Retry-After applies to the receiver, so it blocks the other lanes of the stream too.
_ASKED_UNTIL = _NOW + _number("asked_us")
_QUIET_OTHERS = (
    update(lanes)
    .where(
        lanes.c.account_id == bindparam("account"),
        lanes.c.stream_id == bindparam("stream"),
        lanes.c.lane != bindparam("lane_number"),
    )
    .values(
        blocked_until=later_of(lanes.c.blocked_until, _ASKED_UNTIL),
        due_at=case((lanes.c.due_at.is_not(None), later_of(lanes.c.due_at, _ASKED_UNTIL)), else_=None),
    )
)
# FOR UPDATE: no other transaction edits or resumes the stream between this check and the settlement.
_EDITS = select(lanes.c.edits).where(OWNED).with_for_update()
_RENEW = Prepared(
    update(lanes)
    .where(OWNED)
    .values(version=lanes.c.version + 1, lease_until=_NOW + bindparam("lease_us", type_=BigInteger))
)
_RELEASE = update(lanes).where(OWNED).values(version=lanes.c.version + 1, lease_until=0)
# A new epoch for each lane: a process that still believes it owns one can write nothing.
_RELEASE_ALL = update(lanes).where(lanes.c.lease_until > 0).values(lease_until=0, epoch=lanes.c.epoch + 1)
_TAKE = (
    update(lanes)
    .where(this_lane())
    .values(version=lanes.c.version + 1, epoch=lanes.c.epoch + 1, lease_until=0)
    .returning(lanes.c.epoch)
)
_ATTEMPT = select(attempts.c.number).where(
    of_lane(attempts), attempts.c.seq == _number("seq"), attempts.c.number == bindparam("number")
)
_DELETE_HELD = delete(held_events).where(of_lane(held_events), held_events.c.seq.in_(bindparam("seqs", expanding=True)))


class LaneRows:
    """Implements ports.Lanes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(
        self,
        limit: int,
        lease: timedelta,
        named: Sequence[LaneKey] | None = None,
        since: datetime | None = None,
        besides: Collection[LaneKey] = (),
    ) -> list[LaneLease]:
        if named is None:
            return claim_longest_due(self._connection, limit, lease, since, besides=besides)
        wanted = [key for key in named if key not in besides]
        return claim_named(self._connection, wanted[:limit], lease)

    def next_due(self, since: datetime | None = None) -> NextDue:
        return next_due(self._connection, since)

    def read(self, lease: LaneLease, limit: int, retention: timedelta) -> LaneWork:
        lane = self._connection.execute(_OWNED, {**lane_parameters(lease.key), "mine": lease.epoch}).first()
        if lane is None:
            raise self._lost(lease.key)
        work = self._work(lease.key, lane, limit, retention)
        return replace(work, stream=None) if lane.is_quieted else work

    def peek(self, key: LaneKey, limit: int, retention: timedelta) -> LaneWork:
        lane = self._connection.execute(_LOOKED_AT, lane_parameters(key)).one()
        return self._work(key, lane, limit, retention)

    def take(self, key: LaneKey) -> LaneLease:
        return LaneLease(key, self._connection.execute(_TAKE, lane_parameters(key)).scalar_one())

    def _work(self, lane_key: LaneKey, lane: Row[*tuple[Any, ...]], limit: int, retention: timedelta) -> LaneWork:
        key = lane_parameters(lane_key)
        oldest = too_old_before(record_from(lane.seen_at, lane.steps), moment(lane.now), retention)
        is_cancelling = lane.cancel_through > 0  # such events must not be sent, nor acknowledged
        waiting = () if is_cancelling else self._connection.execute(PENDING_EVENTS, key)
        held = [held_from(row, lane.now, oldest) for row in waiting]
        fresh: list[QueuedEvent] = []
        if len(held) < MAX_HELD_EVENTS and lane.last_seq > lane.cursor and not is_cancelling:
            rows = self._connection.execute(_FRESH, {**key, "after": lane.cursor, "most": limit})
            fresh = [queued_from(row, oldest) for row in rows]
        return LaneWork(
            stream=None if is_cancelling else self._sending(lane_key),
            cursor=lane.cursor,
            failures=lane.failures,
            held=held,
            fresh=fresh,
            last_seq=lane.last_seq,
            replayed=lane.replayed,
            edits=lane.edits,
            blocked_until=moment(lane.blocked_until),
            recent_answers=lane.recent_answers,
            admitted=max(lane.admitted, lane.cursor),
        )

    def _sending(self, key: LaneKey) -> Stream | None:
        """Return the lane's stream; None if no event of the lane may be sent now."""
        row = self._connection.execute(_STREAM, lane_parameters(key)).first()
        stream = None if row is None else stream_from(row)
        return None if stream is None or stream.is_silent(key.lane) else stream

    def settle(
        self,
        lease: LaneLease,
        work: LaneWork,
        settlement: Settlement,
        tried: Sequence[Attempt],
        extend: timedelta,
    ) -> None:
        # The stream is locked before its lanes, as everywhere: two settlements that block each other's lanes cannot
        # deadlock.
        if settlement.asked_for > NOW:
            lock_stream(self._connection, lease.key.account_id, lease.key.stream_id)
        # Responses to pushes from before an edit or a resume must not delay or fail the stream as it is now.
        judges = settlement.waits or settlement.recent_answers != work.recent_answers
        if judges and self._is_edited(lease, work):
            settlement = settlement.without_waits()
        last = tried[-1].outcome if tried else None
        self.write_owned(
            _SETTLE,
            lease,
            new_cursor=settlement.cursor,
            accepted=settlement.delivered,
            new_failures=settlement.failures,
            quiet_us=micros(settlement.quiet_for),
            lease_us=micros(extend),
            seen=work.last_seq,
            seen_replayed=work.replayed,
            seen_blocked=number_of(work.blocked_until),
            last_kind=None if last is None else last.kind.value,
            last_why=None if last is None else last.reason,
            answers=settlement.recent_answers,
            is_rejecting=is_rejecting(settlement.recent_answers),
            due_us=None if settlement.due_in is None else micros(settlement.due_in),
        )
        if settlement.asked_for > NOW:
            self._connection.execute(
                _QUIET_OTHERS, {**lane_parameters(lease.key), "asked_us": micros(settlement.asked_for)}
            )
        if tried:
            add_attempts(self._connection, lease.key, tried)
        self._write_exceptions(lease.key, settlement)

    def is_settled(self, lease: LaneLease, tried: Sequence[Attempt]) -> bool:
        self._lock_owned(lease)
        if not tried:
            return False  # without attempts, writing the settlement twice has the same result
        first = {**lane_parameters(lease.key), "seq": tried[0].seq, "number": tried[0].number}
        return self._connection.execute(_ATTEMPT, first).first() is not None

    def renew(self, lease: LaneLease, extend: timedelta) -> None:
        self.write_owned(_RENEW, lease, lease_us=micros(extend))

    def release(self, lease: LaneLease) -> None:
        self._connection.execute(_RELEASE, {**lane_parameters(lease.key), "mine": lease.epoch})

    def release_all(self) -> None:
        self._connection.execute(_RELEASE_ALL)

    def stop_stream(
        self, lease: LaneLease, work: LaneWork, settlement: Settlement, tried: Sequence[Attempt], stop: StreamStop
    ) -> list[WokenLane]:
        lock_stream(self._connection, lease.key.account_id, lease.key.stream_id)
        is_edited = self._is_edited(lease, work)
        self.settle(lease, work, settlement, tried, extend=NOW)
        return [] if is_edited else stop_stream(self._connection, lease.key, stop)

    def _write_exceptions(self, key: LaneKey, settlement: Settlement) -> None:
        """Write the rows of undelivered events at or below the cursor, and delete those of events that are
        delivered."""
        if settlement.released:
            parameters = {**lane_parameters(key), "seqs": settlement.released}
            self._connection.execute(_DELETE_HELD, parameters)
        rows = [held_row(key, row, DeliveryState.PENDING, micros(row.due_in)) for row in settlement.held]
        rows += [held_row(key, row, DeliveryState.DEAD, 0) for row in settlement.dead]
        rows += [held_row(key, row, DeliveryState.EXPIRED, 0) for row in settlement.expired]
        rows += [held_row(key, row, DeliveryState.ERASED, 0) for row in settlement.erased]
        if rows:
            self._connection.execute(UPSERT_HELD.on(self._connection), rows)

    def _is_edited(self, lease: LaneLease, work: LaneWork) -> bool:
        """Return whether the stream was edited or resumed since the lane was read. A lock keeps this true until the
        transaction ends.

        Raises: LeaseLost: the epoch has moved on.
        """
        return self._lock_owned(lease) != work.edits

    def _lock_owned(self, lease: LaneLease) -> int:
        """Lock a lane that this lease still owns.

        Returns: how many times its stream was edited or resumed.
        Raises: LeaseLost: the epoch has moved on.
        """
        edits: int | None = self._connection.execute(
            _EDITS, {**lane_parameters(lease.key), "mine": lease.epoch}
        ).scalar()
        if edits is None:
            raise self._lost(lease.key)
        return edits

    def write_owned(self, statement: Prepared, lease: LaneLease, **values: object) -> None:
        """Run an UPDATE of the lane's row, if this lease still owns it.

        Raises: LeaseLost: the epoch has moved on.
        """
        parameters = {**lane_parameters(lease.key), "mine": lease.epoch, **values}
        if statement.run(self._connection, parameters) != 1:
            raise self._lost(lease.key)

    def _lost(self, key: LaneKey) -> LeaseLost:
        """Return the error for a lost lease: the stream may not be sent now, or another worker claimed the lane."""
        stream = self._sending(key)
        return LaneWithdrawn() if stream is None or stream.is_polled else LeaseLost()
