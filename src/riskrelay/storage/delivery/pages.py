"""Pages of one integration's deliveries, newest first, lane by lane. The cost of a page does not grow with the log.

The numbers of a page are found first, in the table whose index yields them in order. Then these rows are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, select, true

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.streams import StreamId
from riskrelay.storage.delivery.deliveries import EVENT_KEY, read_deliveries
from riskrelay.storage.tables import events, held_events, lanes, streams

_IS_HELD = exists().where(and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A lane of the integration."""

    account_id: AccountId
    stream_id: StreamId
    number: int
    cursor: int

    def rows(self, table: Any) -> ColumnElement[bool]:
        """Build the condition of the lane's rows in *table*: events or held events."""
        return and_(
            table.c.account_id == self.account_id, table.c.stream_id == self.stream_id, table.c.lane == self.number
        )


def deliveries_page(
    connection: Connection,
    account_id: AccountId,
    integration_id: IntegrationId,
    state: DeliveryState | None,
    after: tuple[StreamId, int, int] | None,
    limit: int,
) -> list[Delivery]:
    """Return at most *limit* deliveries in *state* (None: in any), older than *after* (None: from the newest on)."""
    found: list[Delivery] = []
    for lane in _lanes(connection, account_id, integration_id):
        if after is not None and (lane.stream_id, lane.number) > after[:2]:
            continue
        before = after[2] if after is not None and (lane.stream_id, lane.number) == after[:2] else None
        numbers = _numbers(connection, lane, state, before, limit=limit - len(found))
        if numbers:
            here = lane.rows(events) & events.c.seq.in_(numbers)
            found += read_deliveries(connection, account_id, integration_id, here, limit=len(numbers))
        if len(found) == limit:
            break
    return found


def delivery_by_jti(
    connection: Connection, account_id: AccountId, integration_id: IntegrationId, jti: Jti
) -> Delivery | None:
    """Return the delivery with that id.

    Held events are searched first. The log has no index by jti, because this query is rare and inserts are not.
    """
    for only in (_IS_HELD, true()):
        for lane in _lanes(connection, account_id, integration_id):
            query = select(events.c.seq).where(lane.rows(events), events.c.jti == jti, only).limit(1)
            seq = connection.execute(query).scalar()
            if seq is not None:
                here = lane.rows(events) & (events.c.seq == seq)
                return read_deliveries(connection, account_id, integration_id, here, limit=1)[0]
    return None


def _lanes(connection: Connection, account_id: AccountId, integration_id: IntegrationId) -> list[_Lane]:
    """Return the integration's lanes in the order of the pages, the last stream first."""
    of_stream = (lanes.c.account_id == streams.c.account_id) & (lanes.c.stream_id == streams.c.stream_id)
    query = (
        select(lanes.c.account_id, lanes.c.stream_id, lanes.c.lane, lanes.c.cursor)
        .select_from(streams.join(lanes, of_stream))
        .where(streams.c.account_id == account_id, streams.c.integration_id == integration_id)
    )
    found = [
        _Lane(account_id=row.account_id, stream_id=row.stream_id, number=row.lane, cursor=row.cursor)
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda lane: (lane.stream_id, lane.number), reverse=True)


def _numbers(
    connection: Connection, lane: _Lane, state: DeliveryState | None, before: int | None, limit: int
) -> Sequence[int]:
    """Return the highest *limit* numbers below *before* of the lane's deliveries in *state*."""

    def highest(table: Any, condition: ColumnElement[bool]) -> list[int]:
        below = true() if before is None else table.c.seq < before
        query = select(table.c.seq).where(lane.rows(table), condition, below).order_by(table.c.seq.desc()).limit(limit)
        return list(connection.execute(query).scalars())

    if state is None:
        return highest(events, true())
    if state is DeliveryState.DELIVERED:
        return highest(events, (events.c.seq <= lane.cursor) & ~_IS_HELD)
    exceptions = highest(held_events, held_events.c.state == state.value)
    if state is not DeliveryState.PENDING:
        return exceptions
    return sorted({*exceptions, *highest(events, events.c.seq > lane.cursor)}, reverse=True)[:limit]
