"""The health of streams, by account. The number of statements does not grow with the number of integrations."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, false, func, or_, select, true

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.clock import legal_wait
from riskrelay.core.delivery.health import StreamHealth
from riskrelay.core.delivery.lanes import NOW
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import StreamId, StreamStatus
from riskrelay.storage.delivery.ledgers import count_ledgers
from riskrelay.storage.delivery.stream_rows import select_streams, stream_from
from riskrelay.storage.tables import integrations, lanes, streams
from riskrelay.storage.times import database_now, later_of, moment


class HealthRows:
    """Implements ports.DeliveryHealth."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def streams(self, integration_id: IntegrationId | None) -> list[StreamHealth]:
        mine = true() if integration_id is None else streams.c.integration_id == integration_id
        return self._of(select(streams.c.stream_id).where(streams.c.account_id == self._account_id, mine))

    def needing_attention(self, limit: int) -> list[StreamHealth]:
        same_account = streams.c.account_id == lanes.c.account_id
        integration = (integrations.c.account_id == lanes.c.account_id) & (
            integrations.c.integration_id == streams.c.integration_id
        )
        hurts = or_(
            lanes.c.failures > 0,
            lanes.c.rejecting,
            streams.c.status != StreamStatus.ENABLED.value,
            integrations.c.paused_at.is_not(None),
        )
        living = streams.c.deleted_at.is_(None) & integrations.c.deleted_at.is_(None) & integrations.c.active
        query = (
            select(lanes.c.stream_id)
            .select_from(
                lanes.join(streams, same_account & (streams.c.stream_id == lanes.c.stream_id)).join(
                    integrations, integration
                )
            )
            .where(lanes.c.account_id == self._account_id, hurts, living)
            .group_by(lanes.c.stream_id)
            .order_by(func.max(lanes.c.failures).desc(), lanes.c.stream_id)
            .limit(limit)
        )
        found = self._of(query)
        return sorted(found, key=lambda health: health.ledger.pending, reverse=True)

    def _of(self, stream_ids: Select[tuple[str]]) -> list[StreamHealth]:
        """Return the health of the streams that still exist, oldest first."""
        query = (
            select_streams()
            .add_columns(streams.c.status_at, streams.c.active_at)
            .where(
                streams.c.account_id == self._account_id,
                streams.c.stream_id.in_(stream_ids),
                streams.c.deleted_at.is_(None),
                integrations.c.deleted_at.is_(None),
            )
            .order_by(integrations.c.position, streams.c.created_at, streams.c.stream_id)
        )
        rows = self._connection.execute(query).all()
        counted = count_ledgers(self._connection, self._account_id, stream_ids)
        ledgers = {ledger.stream_id: ledger for ledger in counted}
        only = lanes.c.stream_id.in_(stream_ids)
        states, tried = self._lanes(only), self._last_attempts(only)
        return [
            _stream_health(row, ledgers[row.stream_id], states[row.stream_id], tried.get(row.stream_id)) for row in rows
        ]

    def _lanes(self, only: ColumnElement[bool]) -> dict[StreamId, Row[*tuple[Any, ...]]]:
        due_at = later_of(lanes.c.due_at, lanes.c.blocked_until)
        query = (
            select(
                lanes.c.stream_id,
                func.max(lanes.c.failures).label("failures"),
                func.max(case((lanes.c.rejecting, lanes.c.recent_answers), else_="")).label("refusing_answers"),
                func.min(due_at).filter(lanes.c.stopped == false()).label("due_at"),
                database_now().label("now"),
            )
            .where(lanes.c.account_id == self._account_id, only)
            .group_by(lanes.c.stream_id)
        )
        return {row.stream_id: row for row in self._connection.execute(query)}

    def _last_attempts(self, only: ColumnElement[bool]) -> dict[StreamId, tuple[Any, ...]]:
        """Return the last attempt of each stream, over all its lanes."""
        query = (
            select(lanes.c.stream_id, lanes.c.last_outcome, lanes.c.last_reason, lanes.c.attempted_at)
            .where(lanes.c.account_id == self._account_id, lanes.c.attempted_at > 0, only)
            .order_by(lanes.c.attempted_at)
        )
        rows = self._connection.execute(query)
        return {row.stream_id: (row.last_outcome, row.last_reason, moment(row.attempted_at)) for row in rows}


def _stream_health(
    row: Row[*tuple[Any, ...]], ledger: Ledger, lanes_state: Row[*tuple[Any, ...]], tried: tuple[Any, ...] | None
) -> StreamHealth:
    outcome, reason, attempted_at = tried or (None, None, None)
    return StreamHealth(
        stream=stream_from(row),
        ledger=ledger,
        failures=lanes_state.failures,
        next_attempt_in=_next_attempt_in(lanes_state),
        status_since=moment(row.status_at) if row.status_at else None,
        last_outcome=outcome,
        last_reason=reason,
        last_attempt_at=attempted_at,
        recent_answers=lanes_state.refusing_answers,
        receiver_seen_at=moment(row.active_at) if row.audience is not None and row.active_at else None,
    )


def _next_attempt_in(row: Row[*tuple[Any, ...]]) -> timedelta | None:
    return None if row.due_at is None else max(legal_wait(timedelta(microseconds=row.due_at - row.now)), NOW)
