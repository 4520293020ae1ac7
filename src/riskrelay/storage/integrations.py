"""Integrations and their streams, by account."""

from datetime import datetime

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, literal, select, update

from riskrelay.delivery.attempts import DeliveryState
from riskrelay.delivery.lanes import LaneKey
from riskrelay.integrations import AccountId, Integration, IntegrationId, IntegrationType, reference_taken
from riskrelay.ssf.streams import Stream, StreamId, StreamStatus
from riskrelay.storage.tables import database_now, events, held_events, integrations, lanes, streams

_COLUMNS = (
    integrations.c.account_id,
    integrations.c.integration_id,
    integrations.c.integration_type,
    integrations.c.reference_id,
    integrations.c.tenant_url,
    integrations.c.active,
    integrations.c.public_origin,
    integrations.c.created_at,
)


def integration_from(row: Row[*tuple[object, ...]]) -> Integration:
    """Read an integration from a row that starts with its eight columns."""
    account_id, integration_id, integration_type, *rest = row[:8]
    return Integration(account_id, integration_id, IntegrationType(integration_type), *rest)  # type: ignore[arg-type]


def select_streams() -> Select[*tuple[object, ...]]:
    """Streams joined with their integrations: a row for `stream_from`."""
    joined = streams.join(
        integrations,
        (streams.c.account_id == integrations.c.account_id)
        & (streams.c.integration_id == integrations.c.integration_id),
    )
    return select(*_COLUMNS, streams.c.stream_id, streams.c.status, streams.c.lanes).select_from(joined)


def stream_from(row: Row[*tuple[object, ...]]) -> Stream:
    """Read a stream from a row of `select_streams`."""
    stream_id, status, lane_count = row[8:11]
    return Stream(stream_id, integration_from(row), StreamStatus(status), lane_count)  # type: ignore[arg-type]


# Shared lock: an integration that is being deleted must not get an event after its backlog was cancelled.
_TAKING_EVENTS = (
    select_streams()
    .where(
        streams.c.account_id == bindparam("account"),
        integrations.c.active,
        integrations.c.deleted_at.is_(None),
        streams.c.status != StreamStatus.DISABLED.value,
    )
    .order_by(streams.c.stream_id)
    .with_for_update(read=True)
)


def find_integration(connection: Connection, integration_id: IntegrationId) -> Integration | None:
    """An integration of any account, by the id of its well-known URL."""
    query = select(*_COLUMNS).where(
        integrations.c.integration_id == integration_id, integrations.c.deleted_at.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else integration_from(row)


class IntegrationRows:
    """Implements ports.Integrations."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking
        self._mine = (integrations.c.account_id == account_id) & integrations.c.deleted_at.is_(None)

    def add(self, integration: Integration) -> None:
        last = select(func.coalesce(func.max(integrations.c.position), 0) + 1).where(
            integrations.c.account_id == self._account_id
        )
        self._connection.execute(
            insert(integrations).values(
                account_id=self._account_id,
                integration_id=integration.integration_id,
                integration_type=integration.integration_type.value,
                reference_id=integration.reference_id,
                tenant_url=integration.tenant_url,
                active=integration.active,
                public_origin=integration.public_origin,
                created_at=integration.created_at,
                position=last.scalar_subquery(),
            )
        )

    def update(self, integration: Integration) -> None:
        self._refuse_taken(integration)
        self._connection.execute(
            update(integrations)
            .where(self._mine, integrations.c.integration_id == integration.integration_id)
            .values(
                reference_id=integration.reference_id,
                tenant_url=integration.tenant_url,
                active=integration.active,
            )
        )

    def delete(self, integration_id: IntegrationId, at: datetime) -> None:
        self._connection.execute(
            update(integrations)
            .where(self._mine, integrations.c.integration_id == integration_id)
            .values(deleted_at=at, active=False)
        )

    def get(self, integration_id: IntegrationId) -> Integration | None:
        query = select(*_COLUMNS).where(self._mine, integrations.c.integration_id == integration_id)
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else integration_from(row)

    def by_reference(self, reference_id: str) -> Integration | None:
        query = select(*_COLUMNS).where(self._mine, integrations.c.reference_id == reference_id)
        row = self._connection.execute(query).first()
        return None if row is None else integration_from(row)

    def all(self) -> list[Integration]:
        query = select(*_COLUMNS).where(self._mine).order_by(integrations.c.position)
        return [integration_from(row) for row in self._connection.execute(query)]

    def _refuse_taken(self, integration: Integration) -> None:
        holder = self.by_reference(integration.reference_id)
        if holder is not None and holder.integration_id != integration.integration_id:
            raise reference_taken()


class StreamRows:
    """Implements ports.Streams."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, stream_id: StreamId, integration_id: IntegrationId, lane_count: int) -> None:
        self._connection.execute(
            insert(streams).values(
                account_id=self._account_id,
                stream_id=stream_id,
                integration_id=integration_id,
                status=StreamStatus.ENABLED.value,
                lanes=lane_count,
            )
        )
        rows = [{"account_id": self._account_id, "stream_id": stream_id, "lane": lane} for lane in range(lane_count)]
        self._connection.execute(insert(lanes), rows)

    def taking_events(self) -> list[Stream]:
        return [stream_from(row) for row in self._connection.execute(_TAKING_EVENTS, {"account": self._account_id})]

    def set_status(self, integration_id: IntegrationId, status: StreamStatus, reason: str | None) -> None:
        self._connection.execute(
            update(streams)
            .where(streams.c.account_id == self._account_id, streams.c.integration_id == integration_id)
            .values(status=status.value, status_reason=reason)
        )

    def refresh_lanes(self, integration_id: IntegrationId) -> list[LaneKey]:
        query = select_streams().where(
            streams.c.account_id == self._account_id, streams.c.integration_id == integration_id
        )
        ready: list[LaneKey] = []
        for stream in [stream_from(row) for row in self._connection.execute(query)]:
            stopped = stream.status is not StreamStatus.ENABLED or not stream.integration.active
            # An account that edits an integration has perhaps mended it: no wait from before counts any more.
            fresh_start = {"blocked_until": 0, "failures": 0, "due_at": database_now()}
            self._connection.execute(
                update(lanes)
                .where(lanes.c.account_id == self._account_id, lanes.c.stream_id == stream.stream_id)
                .values(stopped=stopped, **({} if stopped else fresh_start))
            )
            if not stopped:
                self._connection.execute(
                    update(held_events)
                    .where(
                        held_events.c.account_id == self._account_id,
                        held_events.c.stream_id == stream.stream_id,
                        held_events.c.state == DeliveryState.PENDING.value,
                    )
                    .values(due_at=0)
                )
                ready += [LaneKey(self._account_id, stream.stream_id, lane) for lane in range(stream.lanes)]
        return ready

    def cancel_backlog(self, integration_id: IntegrationId) -> int:
        stream_ids = (
            select(streams.c.stream_id)
            .where(streams.c.account_id == self._account_id, streams.c.integration_id == integration_id)
            .scalar_subquery()
        )
        cancelled = 0
        for row in self._connection.execute(
            select(lanes.c.stream_id, lanes.c.lane, lanes.c.cursor, lanes.c.last_seq)
            .where(lanes.c.account_id == self._account_id, lanes.c.stream_id.in_(stream_ids))
            .with_for_update()
        ).all():
            cancelled += self._cancel_lane(LaneKey(self._account_id, row.stream_id, row.lane), row.cursor)
        return cancelled

    def _cancel_lane(self, key: LaneKey, cursor: int) -> int:
        in_lane = (held_events.c.account_id == key.account_id) & (held_events.c.stream_id == key.stream_id)
        waiting = self._connection.execute(
            update(held_events)
            .where(in_lane, held_events.c.lane == key.lane, held_events.c.state == DeliveryState.PENDING.value)
            .values(state=DeliveryState.CANCELLED.value, reason="integration_deleted")
        )
        queued = select(
            events.c.account_id,
            events.c.stream_id,
            events.c.lane,
            events.c.seq,
            literal(DeliveryState.CANCELLED.value),
            literal(0),
            literal(0),
            literal("integration_deleted"),
        ).where(
            events.c.account_id == key.account_id,
            events.c.stream_id == key.stream_id,
            events.c.lane == key.lane,
            events.c.seq > cursor,
        )
        names = [column.name for column in held_events.columns]
        added = self._connection.execute(insert(held_events).from_select(names, queued))
        # A worker that is pushing for this lane holds an older epoch now: what it settles touches no row.
        self._connection.execute(
            update(lanes)
            .where(lanes.c.account_id == key.account_id, lanes.c.stream_id == key.stream_id, lanes.c.lane == key.lane)
            .values(cursor=lanes.c.last_seq, epoch=lanes.c.epoch + 1, due_at=None, stopped=True)
        )
        return waiting.rowcount + added.rowcount
