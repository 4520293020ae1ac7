"""The log of queued security events, and what became of each, by account."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Join,
    Row,
    Table,
    and_,
    bindparam,
    case,
    or_,
    select,
    tuple_,
    update,
)

from riskrelay.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.delivery.lanes import LaneKey
from riskrelay.integrations import AccountId, IntegrationId
from riskrelay.signals import Signal
from riskrelay.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ssf.sets import fixed_claims
from riskrelay.ssf.streams import CONTROL_LANE, STREAM_DISABLED, StreamId, StreamStatus
from riskrelay.storage.backlog import cancel_lane
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import attempts, events, held_events, lanes, streams
from riskrelay.storage.times import database_now, later_of, number_of

EVENT_KEY = ("account_id", "stream_id", "lane", "seq")


def of_lane(table: Table) -> ColumnElement[bool]:
    """The rows of *table* that belong to one lane: parameters `account`, `stream`, `lane` (see `lane_parameters`)."""
    return (
        (table.c.account_id == bindparam("account"))
        & (table.c.stream_id == bindparam("stream"))
        & (table.c.lane == bindparam("lane_number"))
    )


def lane_parameters(key: LaneKey) -> dict[str, object]:
    """The parameters of `of_lane`."""
    return {"account": key.account_id, "stream": key.stream_id, "lane_number": key.lane}


_DUE_AT = later_of(database_now(), lanes.c.blocked_until)
_TAKE_NUMBERS = (
    update(lanes)
    .where(of_lane(lanes))
    .values(
        last_seq=lanes.c.last_seq + bindparam("count", type_=BigInteger),
        due_at=case((or_(lanes.c.due_at.is_(None), lanes.c.due_at > _DUE_AT), _DUE_AT), else_=lanes.c.due_at),
    )
    .returning(lanes.c.last_seq)
)
_APPEND = BulkInsert(events, "account_id", "stream_id", "lane", "seq", "jti", "subject_key", "claims", "queued_at")
_LAST_SEQ = select(lanes.c.last_seq).where(of_lane(lanes))


class EventRows:
    """Implements ports.Events."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def queue(self, signals: Sequence[Signal]) -> list[LaneKey]:
        by_lane: dict[LaneKey, list[Signal]] = defaultdict(list)
        for signal in signals:
            stream = signal.stream
            number = CONTROL_LANE if signal.is_control else stream.lane_of(signal.subject_key)
            by_lane[LaneKey(self._account_id, stream.stream_id, number)].append(signal)
        rows: list[tuple[object, ...]] = []
        # Always in the same order, so that two transactions cannot wait for each other.
        for key in sorted(by_lane, key=lambda key: (key.stream_id, key.lane)):
            rows += self._rows(key, by_lane[key])
        _APPEND.run(self._connection, rows)
        dropped = {key: found for key, found in by_lane.items() if _is_dropped(found[0])}
        for key, found in dropped.items():
            self._cancel(key, len(found))
        return [key for key in by_lane if key not in dropped]

    def _cancel(self, key: LaneKey, count: int) -> None:
        """Cancel the newest *count* events of a lane whose stream is disabled; there are no others to cancel."""
        last = self._connection.execute(_LAST_SEQ, lane_parameters(key)).scalar_one()
        cancel_lane(self._connection, key, last - count, STREAM_DISABLED)

    def _rows(self, key: LaneKey, signals: Sequence[Signal]) -> list[tuple[object, ...]]:
        """Number the events of one lane. The lane's row stays locked until the commit, so numbers become visible
        in their order and a cursor can never pass one that commits late (design 5)."""
        parameters = {**lane_parameters(key), "count": len(signals)}
        first = self._connection.execute(_TAKE_NUMBERS, parameters).scalar_one() - len(signals) + 1
        return [
            (
                *(key.account_id, key.stream_id, key.lane, seq),
                *(signal.event.jti, signal.subject_key, fixed_claims(signal.event), number_of(signal.event.issued_at)),
            )
            for seq, signal in enumerate(signals, first)
        ]

    def deliveries(
        self,
        integration_id: IntegrationId,
        state: DeliveryState | None,
        after: tuple[StreamId, int, int] | None,
        limit: int,
    ) -> list[Delivery]:
        shown = _state()
        query = (
            select(
                events.c.stream_id,
                events.c.lane,
                events.c.seq,
                events.c.jti,
                shown.label("state"),
                held_events.c.reason,
                events.c.queued_at,
            )
            .select_from(_joined())
            .where(events.c.account_id == self._account_id, streams.c.integration_id == integration_id)
        )
        if state is not None:
            query = query.where(shown == state.value)
        if after is not None:
            query = query.where(tuple_(events.c.stream_id, events.c.lane, events.c.seq) < after)
        query = query.order_by(events.c.stream_id.desc(), events.c.lane.desc(), events.c.seq.desc()).limit(limit)
        rows = self._connection.execute(query).all()
        tried = self._attempts(rows)
        return [
            Delivery(
                row.stream_id,
                row.lane,
                row.seq,
                row.jti,
                DeliveryState(row.state),
                row.reason,
                row.queued_at,
                tried[row.stream_id, row.lane, row.seq],
            )
            for row in rows
        ]

    def _attempts(self, rows: Sequence[Row[*tuple[object, ...]]]) -> dict[tuple[object, object, object], list[Attempt]]:
        queued = {(row.stream_id, row.lane, row.seq): row for row in rows}
        query = (
            select(attempts)
            .where(
                attempts.c.account_id == self._account_id,
                tuple_(attempts.c.stream_id, attempts.c.lane, attempts.c.seq).in_(list(queued)),
            )
            .order_by(attempts.c.seq, attempts.c.number)
        )
        found: dict[tuple[object, object, object], list[Attempt]] = defaultdict(list)
        for row in self._connection.execute(query) if queued else ():
            key = (row.stream_id, row.lane, row.seq)
            outcome = Outcome(OutcomeKind(row.outcome), row.reason, row.http_status, None, row.detail)
            event, duration = queued[key], timedelta(microseconds=row.duration_us)
            found[key].append(
                Attempt(row.seq, event.jti, row.number, event.queued_at, row.started_at, duration, outcome)
            )
        return found


def _is_dropped(signal: Signal) -> bool:
    """Rule: SSF 1.0 §8.1.2: a disabled stream neither sends nor holds; what it says about itself still goes out."""
    return signal.stream.status is StreamStatus.DISABLED and not signal.is_control


def _state() -> ColumnElement[str]:
    """A delivery's state: that of its own row, or what the cursor says."""
    by_cursor = case((events.c.seq <= lanes.c.cursor, DeliveryState.DELIVERED.value), else_=DeliveryState.PENDING.value)
    return case((held_events.c.state.is_not(None), held_events.c.state), else_=by_cursor)


def _joined() -> Join:
    """Events with their lane, their stream, and the row they have if they are an exception."""
    lane = (
        (lanes.c.account_id == events.c.account_id)
        & (lanes.c.stream_id == events.c.stream_id)
        & (lanes.c.lane == events.c.lane)
    )
    stream = (streams.c.account_id == events.c.account_id) & (streams.c.stream_id == events.c.stream_id)
    return (
        events.join(lanes, lane)
        .join(streams, stream)
        .outerjoin(held_events, and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY)))
    )
