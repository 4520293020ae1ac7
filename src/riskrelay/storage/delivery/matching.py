"""Find the deliveries that a replay would put back."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.replays import ReplayFilter
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.storage.delivery.deliveries import ERASED, EVENT_KEY, in_state, joined, read_deliveries
from riskrelay.storage.tables import events, held_events, streams

_IS_EVENT = and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY))
_EXISTING = streams.c.deleted_at.is_(None)


def matching_deliveries(
    connection: Connection, account_id: AccountId, integration_id: IntegrationId, wanted: ReplayFilter, *, sample: int
) -> tuple[int, list[Delivery]]:
    """Count the deliveries that match *wanted*, and read the newest *sample* of them."""
    if wanted.state is not DeliveryState.DELIVERED:
        return _matching_exceptions(connection, account_id, integration_id, wanted, sample=sample)
    fits = [in_state(wanted.state), _EXISTING, is_wanted(wanted)]
    mine = [events.c.account_id == account_id, streams.c.integration_id == integration_id]
    count = connection.execute(select(func.count()).select_from(joined()).where(*mine, *fits)).scalar_one()
    shown = read_deliveries(connection, account_id, integration_id, *fits, limit=sample)
    return count, shown


def _matching_exceptions(
    connection: Connection, account_id: AccountId, integration_id: IntegrationId, wanted: ReplayFilter, *, sample: int
) -> tuple[int, list[Delivery]]:
    """Do the same for a state that held events have. This reads only the held events, which are few."""
    mine = select(streams.c.stream_id).where(
        streams.c.account_id == account_id, streams.c.integration_id == integration_id, _EXISTING
    )
    fits = (
        held_events.c.account_id == account_id,
        held_events.c.stream_id.in_(connection.execute(mine).scalars().all()),
        held_events.c.state == wanted.state.value,
        is_wanted(wanted),
    )
    looked_at = held_events.join(events, _IS_EVENT)
    count = connection.execute(select(func.count()).select_from(looked_at).where(*fits)).scalar_one()
    newest = (
        select(*(held_events.c[name] for name in EVENT_KEY[1:]))
        .select_from(looked_at)
        .where(*fits)
        .order_by(*(held_events.c[name].desc() for name in EVENT_KEY[1:]))
        .limit(sample)
    )
    by_lane: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in connection.execute(newest):
        by_lane[row.stream_id, row.lane].append(row.seq)
    shown: list[Delivery] = []
    for (
        stream_id,
        lane,
    ), numbers in by_lane.items():  # lane by lane: SQLite scans the log for a list of keys
        here = (events.c.stream_id == stream_id, events.c.lane == lane, events.c.seq.in_(numbers))
        shown += read_deliveries(connection, account_id, integration_id, *here, limit=sample)
    return count, shown


def is_wanted(wanted: ReplayFilter) -> ColumnElement[bool]:
    """Build the conditions of a filter, except the state. Events about erased users have no subject left to send."""
    return and_(
        events.c.subject_key != ERASED,
        true() if wanted.reason is None else held_events.c.reason == wanted.reason,
        true() if wanted.queued_from is None else events.c.queued_at >= wanted.queued_from,
        events.c.queued_at <= wanted.queued_to,
        true() if wanted.users is None else events.c.subject_key.in_(_subjects_of(wanted.users)),
    )


def _subjects_of(emails: Sequence[str]) -> list[str]:
    return sorted({subject_key(email_subject(email)) for email in emails})
