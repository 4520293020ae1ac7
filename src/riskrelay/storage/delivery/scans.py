"""Scan the logs of lanes for deliveries that a filter wants, newest first.

Every statement is bounded and uses the primary key, for a log of any length. A filter is applied to a window of the
log: the next page continues where a window ended.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, case, func, literal, select, true

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.ports import DeliveryFilter, LanePlaces
from riskrelay.storage.delivery.deliveries import EVENT_KEY
from riskrelay.storage.delivery.newest import lane_parameters, of_lane
from riskrelay.storage.tables import events, held_events

NEWEST = 2**62
"""A number above those of all events."""

_NEAR = 4  # guessed: the first window, in pages
_WINDOW = 2_000  # guessed: some milliseconds; a rarer delivery takes one more click

IS_HELD = and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY))
_SEEN = (events.c.seq, events.c.queued_at, held_events.c.state)
_BELOW, _MANY = bindparam("below", type_=BigInteger), bindparam("many", type_=BigInteger)
_LOG = (
    select(*_SEEN)
    .select_from(events.outerjoin(held_events, IS_HELD))
    .where(of_lane(events), events.c.seq < _BELOW)
    .order_by(events.c.seq.desc())
    .limit(_MANY)
)
_HELD = (
    select(*_SEEN)
    .select_from(held_events.join(events, IS_HELD))
    .where(of_lane(held_events), held_events.c.seq < _BELOW)
    .order_by(held_events.c.seq.desc())
    .limit(_MANY)
)
_COUNTED = 10_000  # chosen: counted on each view of the list; of a longer log the number is unknown
_PART = (
    select(*_SEEN)
    .select_from(events.outerjoin(held_events, IS_HELD))
    .where(of_lane(events))
    .order_by(events.c.seq.desc())
    .limit(_COUNTED + 1)
    .subquery()
)
_CURSOR = bindparam("cursor", type_=BigInteger)
_STATE = case(
    (_PART.c.state.is_not(None), _PART.c.state),
    (_PART.c.seq <= _CURSOR, DeliveryState.DELIVERED.value),
    else_=DeliveryState.PENDING.value,
)


class _Events(msgspec.Struct):
    """The claim of a SET that has its events, by type."""

    events: dict[str, msgspec.Raw] = {}


_EVENTS = msgspec.json.Decoder(_Events)


class Lane(NamedTuple):
    """A lane to scan."""

    key: LaneKey
    cursor: int

    @property
    def name(self) -> str:
        """The name in `LanePlaces`."""
        return f"{self.key.stream_id}.{self.key.lane}"


@dataclass(frozen=True, slots=True)
class Scan:
    """The deliveries found in one lane.

    Attributes:
        found: numbers and times, newest first.
        end: the lowest number that was scanned; 0: the log has no older events that fit.
    """

    lane: Lane
    found: Sequence[tuple[datetime, int]]
    end: int


def scan(connection: Connection, lane: Lane, wanted: DeliveryFilter, below: int, *, limit: int) -> Scan:
    """Return the newest deliveries of a lane that fit: *limit* + 1 of them, or fewer if the window has fewer."""
    cursor, state = lane.cursor, wanted.state

    def window(statement: Select[*tuple[Any, ...]], below: int, many: int, fits: Callable[[Any], bool]) -> Scan:
        many = many if wanted.event_type is None else _WINDOW
        return _window(connection, lane, statement, wanted, below=below, many=many, fits=fits)

    def windows(statement: Select[*tuple[Any, ...]], below: int, fits: Callable[[Any], bool]) -> Scan:
        # Most logs have enough of them at their end: a page of twenty lanes needs no 40,000 rows.
        near = window(statement, below, min(_NEAR * (limit + 1), _WINDOW), fits)
        if near.end == 0 or len(near.found) > limit or wanted.event_type is not None:
            return near
        return window(statement, below, _WINDOW, fits)

    if state is None:
        return window(_LOG, below, limit + 1, lambda row: True)
    if state is DeliveryState.DELIVERED:
        return windows(_LOG, min(below, cursor + 1), lambda row: row.state is None)
    held = windows(_HELD, min(below, cursor + 1), lambda row: row.state == state.value)
    if state is not DeliveryState.PENDING or below <= cursor + 1:
        return held
    above = window(_LOG, below, limit + 1, lambda row: row.seq > cursor)
    if above.end > cursor + 1:  # events above the cursor were not scanned, so the next page continues there
        return above
    return Scan(lane, [*above.found, *held.found], held.end)


def _window(
    connection: Connection,
    lane: Lane,
    statement: Select[*tuple[Any, ...]],
    wanted: DeliveryFilter,
    *,
    below: int,
    many: int,
    fits: Callable[[Any], bool],
) -> Scan:
    if wanted.event_type is not None:
        statement = statement.add_columns(events.c.claims)
    parameters = {**lane_parameters(lane.key), "below": below, "many": many}
    rows = connection.execute(statement, parameters).all()
    found = [(row.queued_at, row.seq) for row in rows if fits(row) and _is_wanted(row, wanted)]
    # Numbers and times rise together, so no older event fits after the first one that is too old.
    is_past = wanted.queued_from is not None and bool(rows) and rows[-1].queued_at < wanted.queued_from
    return Scan(lane, found, rows[-1].seq if len(rows) == many and not is_past else 0)


def _is_wanted(row: Any, wanted: DeliveryFilter) -> bool:
    if wanted.queued_from is not None and row.queued_at < wanted.queued_from:
        return False
    return wanted.event_type is None or wanted.event_type in _EVENTS.decode(row.claims).events


def count(connection: Connection, lanes: Sequence[Lane], wanted: DeliveryFilter) -> int | None:
    """Return the number of deliveries of *lanes* that fit; None: the log is too long, or a type is wanted."""
    if wanted.event_type is not None:
        return None
    in_state: ColumnElement[bool] = true()
    if wanted.state is not None:
        in_state = literal(wanted.state.value) == _STATE
    in_time: ColumnElement[bool] = true()
    if wanted.queued_from is not None:
        in_time = _PART.c.queued_at >= wanted.queued_from
    query = select(
        func.count().filter(and_(in_state, in_time)).label("fitting"),
        func.count().label("seen"),
        func.count().filter(in_time).label("in_time"),
    ).select_from(_PART)
    total = 0
    for lane in lanes:
        row = connection.execute(query, {**lane_parameters(lane.key), "cursor": lane.cursor}).one()
        if row.seen > _COUNTED and row.in_time == row.seen:
            return None
        total += row.fitting
    return total


def newest(scans: Sequence[Scan], limit: int) -> list[tuple[Lane, int]]:
    """Return the newest deliveries of several lanes."""
    found = [(at, seq, scan.lane) for scan in scans for at, seq in scan.found]
    found.sort(key=lambda one: (one[0], one[1]), reverse=True)
    return [(lane, seq) for _, seq, lane in found[:limit]]


def older(scans: Sequence[Scan], shown: Sequence[tuple[Lane, int]], behind: LanePlaces) -> Mapping[str, int] | None:
    """Return where the page after *shown* starts in each lane; None: *shown* is the last page."""
    numbers: dict[LaneKey, set[int]] = defaultdict(set)
    for lane, seq in shown:
        numbers[lane.key].add(seq)
    places = {}
    for scan in scans:
        mine = numbers[scan.lane.key]
        is_all_shown = len(mine) == len(scan.found)
        lowest = min(mine, default=behind.get(scan.lane.name, NEWEST))
        places[scan.lane.name] = scan.end if is_all_shown else lowest
    return places if any(places.values()) else None
