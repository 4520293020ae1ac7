"""Read deliveries of queued events, by account."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Join,
    Row,
    Text,
    and_,
    bindparam,
    case,
    func,
    select,
    true,
)

from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind, Phases
from riskrelay.storage.tables import attempts, events, held_events, lanes, streams

EVENT_KEY = ("account_id", "stream_id", "lane", "seq")

ERASED = ""
"""The subject key of an event about an erased user."""


_BY_CURSOR = case((events.c.seq <= lanes.c.cursor, DeliveryState.DELIVERED.value), else_=DeliveryState.PENDING.value)
delivery_state: ColumnElement[str] = case((held_events.c.state.is_not(None), held_events.c.state), else_=_BY_CURSOR)
"""A delivery's state: that of its own row, or what the cursor says."""

_places = (
    func.unnest(
        bindparam("streams", type_=ARRAY(Text)),
        bindparam("lanes", type_=ARRAY(Integer)),
        bindparam("seqs", type_=ARRAY(BigInteger)),
    )
    .table_valued("stream_id", "lane", "seq", name="places")
    .render_derived()
)
_ATTEMPTS_AT = (
    select(attempts)
    .join(
        _places,
        (attempts.c.stream_id == _places.c.stream_id)
        & (attempts.c.lane == _places.c.lane)
        & (attempts.c.seq == _places.c.seq),
    )
    .where(attempts.c.account_id == bindparam("account"))
    .order_by(attempts.c.seq, attempts.c.number)
)


def in_state(state: DeliveryState | None) -> ColumnElement[bool]:
    """Build the condition of deliveries in *state*; None: in any state."""
    return true() if state is None else delivery_state == state.value


def joined() -> Join:
    """Build the join of events with their lane, their stream and, if they have one, their row of held events."""
    stream = (streams.c.account_id == events.c.account_id) & (streams.c.stream_id == events.c.stream_id)
    return with_lanes(events).join(streams, stream)


def with_lanes(queued: FromClause) -> Join:
    """Build the join of *queued*, which has `events`, with their lane and their row of held events, if any."""
    lane = and_(*(lanes.c[name] == events.c[name] for name in EVENT_KEY[:3]))
    return queued.join(lanes, lane).outerjoin(
        held_events, and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY))
    )


def read_deliveries(
    connection: Connection,
    account_id: AccountId,
    integration_id: IntegrationId,
    *conditions: ColumnElement[bool],
    limit: int,
) -> list[Delivery]:
    """Return the deliveries of one integration that match all *conditions*, with their attempts, newest first."""
    query = (
        select(
            *(events.c[name] for name in ("stream_id", "lane", "seq", "jti", "queued_at")),
            delivery_state.label("state"),
            held_events.c.reason,
        )
        .select_from(joined())
        .where(events.c.account_id == account_id, streams.c.integration_id == integration_id, *conditions)
        .order_by(events.c.stream_id.desc(), events.c.lane.desc(), events.c.seq.desc())
        .limit(limit)
    )
    return with_attempts(connection, account_id, connection.execute(query).all())


def with_attempts(
    connection: Connection, account_id: AccountId, rows: Sequence[Row[*tuple[Any, ...]]]
) -> list[Delivery]:
    """Return deliveries with their attempts.

    Args:
        rows: for each its event's key, `jti` and `queued_at`, and its `state` and `reason`.

    Returns: in the order of *rows*.
    """
    tried = _attempts(connection, account_id, rows)
    return [
        Delivery(
            stream_id=row.stream_id,
            lane=row.lane,
            seq=row.seq,
            jti=row.jti,
            state=DeliveryState(row.state),
            reason=row.reason,
            queued_at=row.queued_at,
            attempts=tried[row.stream_id, row.lane, row.seq],
        )
        for row in rows
    ]


def _attempts(
    connection: Connection, account_id: AccountId, rows: Sequence[Row[*tuple[Any, ...]]]
) -> dict[tuple[object, object, object], list[Attempt]]:
    """Read attempts by delivery."""
    queued = {(row.stream_id, row.lane, row.seq): row for row in rows}
    found: dict[tuple[object, object, object], list[Attempt]] = defaultdict(list)
    for row in _rows_of_attempts(connection, account_id, queued):
        key = (row.stream_id, row.lane, row.seq)
        phases = Phases(
            dns=_duration(row.dns_us),
            connect=_duration(row.connect_us),
            tls=_duration(row.tls_us),
            first_byte=_duration(row.first_byte_us),
        )
        outcome = Outcome(
            kind=OutcomeKind(row.outcome),
            reason=row.reason,
            status=row.http_status,
            retry_after=None,
            detail=row.detail,
            phases=phases,
        )
        event, duration = queued[key], timedelta(microseconds=row.duration_us)
        found[key].append(
            Attempt(
                seq=row.seq,
                jti=event.jti,
                number=row.number,
                queued_at=event.queued_at,
                started_at=row.started_at,
                duration=duration,
                outcome=outcome,
            )
        )
    return found


def _rows_of_attempts(
    connection: Connection, account_id: AccountId, places: Iterable[tuple[str, int, int]]
) -> Iterator[Row[*tuple[Any, ...]]]:
    by_lane: dict[tuple[str, int], list[int]] = defaultdict(list)
    if connection.dialect.name == "postgresql":  # one statement: each costs more than the rows that it reads
        columns = dict(zip(("streams", "lanes", "seqs"), map(list, zip(*places, strict=True)), strict=False))
        if columns:
            yield from connection.execute(_ATTEMPTS_AT, {"account": account_id, **columns})
        return
    # SQLite uses the index for a list of numbers, but scans the table for a list of keys.
    for stream_id, lane, seq in places:
        by_lane[stream_id, lane].append(seq)
    for (stream_id, lane), numbers in by_lane.items():
        query = select(attempts).where(
            attempts.c.account_id == account_id,
            attempts.c.stream_id == stream_id,
            attempts.c.lane == lane,
            attempts.c.seq.in_(numbers),
        )
        yield from connection.execute(query.order_by(attempts.c.seq, attempts.c.number))


def _duration(micros: int | None) -> timedelta | None:
    return None if micros is None else timedelta(microseconds=micros)
