"""What belongs to no single account: signing keys, the ledgers, and what a transaction over all of it offers."""

from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    and_,
    func,
    select,
    type_coerce,
    union_all,
)

from riskrelay.delivery.attempts import DeliveryState, Ledger
from riskrelay.integrations import AccountId, Integration, IntegrationId
from riskrelay.ports import Accounts, Audit, Keys, Lanes, Receivers, Tokens
from riskrelay.ssf.streams import Stream
from riskrelay.storage.audit import AuditRows
from riskrelay.storage.credentials import AccountRows, TokenRows
from riskrelay.storage.events import EVENT_KEY
from riskrelay.storage.integrations import find_integration
from riskrelay.storage.keys import KeyRows
from riskrelay.storage.lanes import LaneRows
from riskrelay.storage.receivers import ReceiverRows
from riskrelay.storage.streams import is_idle, select_streams, stream_from
from riskrelay.storage.tables import events, held_events, integrations, lanes
from riskrelay.storage.times import database_now


class InstallationTransaction:
    """Implements ports.Installation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.accounts: Accounts = AccountRows(connection)
        self.tokens: Tokens = TokenRows(connection)
        self.keys: Keys = KeyRows(connection)
        self.receivers: Receivers = ReceiverRows(connection)
        self.lanes: Lanes = LaneRows(connection)

    def audit_of(self, owner: AccountId | None) -> Audit:
        return AuditRows(self._connection, owner)

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        return find_integration(self._connection, integration_id)

    def idle_streams(self, timeout: timedelta, limit: int) -> list[Stream]:
        query = select_streams().where(is_idle(timeout), integrations.c.active, integrations.c.deleted_at.is_(None))
        return [stream_from(row) for row in self._connection.execute(query.limit(limit))]

    def ledgers(self) -> list[Ledger]:
        """Counted without touching the log of events: lanes, and the rows of the exceptions."""
        exceptions = self._exceptions()
        oldest = self._oldest_pending()
        query = select(
            lanes.c.stream_id,
            func.sum(lanes.c.last_seq).label("queued"),
            func.sum(lanes.c.delivered).label("delivered"),
            func.sum(lanes.c.last_seq - lanes.c.cursor).label("above_cursor"),
        ).group_by(lanes.c.stream_id)
        return [
            Ledger(
                row.stream_id,
                int(row.queued),
                int(row.delivered),
                int(row.above_cursor) + exceptions.get((row.stream_id, DeliveryState.PENDING.value), 0),
                exceptions.get((row.stream_id, DeliveryState.DEAD.value), 0),
                exceptions.get((row.stream_id, DeliveryState.EXPIRED.value), 0),
                exceptions.get((row.stream_id, DeliveryState.CANCELLED.value), 0),
                oldest.get(row.stream_id),
            )
            for row in self._connection.execute(query)
        ]

    def _exceptions(self) -> dict[tuple[str, str], int]:
        query = select(held_events.c.stream_id, held_events.c.state, func.count()).group_by(
            held_events.c.stream_id, held_events.c.state
        )
        return {(stream_id, state): count for stream_id, state, count in self._connection.execute(query)}

    def _oldest_pending(self) -> dict[str, timedelta]:
        """How long the oldest undelivered event of each stream has waited: the first above a cursor, or a held one."""
        queued_at = type_coerce(events.c.queued_at, BigInteger)
        in_lane = and_(*(events.c[name] == lanes.c[name] for name in EVENT_KEY[:3]))
        next_one = (
            select(events.c.stream_id, queued_at.label("queued_at"))
            .select_from(lanes.join(events, in_lane & (events.c.seq == lanes.c.cursor + 1)))
            .where(lanes.c.last_seq > lanes.c.cursor)
        )
        is_event = and_(*(events.c[name] == held_events.c[name] for name in EVENT_KEY))
        held = (
            select(events.c.stream_id, queued_at.label("queued_at"))
            .select_from(held_events.join(events, is_event))
            .where(held_events.c.state == DeliveryState.PENDING.value)
        )
        pending = union_all(next_one, held).subquery()
        query = select(pending.c.stream_id, database_now() - func.min(pending.c.queued_at)).group_by(
            pending.c.stream_id
        )
        return {stream_id: timedelta(microseconds=max(age, 0)) for stream_id, age in self._connection.execute(query)}
