"""The survey of an installation for monitoring.

It reads lanes, streams and held events, and never the log of events.
"""

from datetime import timedelta

from sqlalchemy import BigInteger, Connection, and_, case, func, literal, select, text, type_coerce

from riskrelay.core.delivery.survey import LaneCondition, Survey
from riskrelay.core.keys import Algorithm
from riskrelay.core.sources.sources import COUNTED_FOR, MIN_REFUSED, Became
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.ports import DatabaseFacts
from riskrelay.storage.delivery.ledgers import count_ledgers
from riskrelay.storage.tables import integrations, lanes, signing_keys, source_counts, sources, streams, users
from riskrelay.storage.times import database_now, moment

_NOW = database_now()
_CONDITION = case(
    (lanes.c.stopped, LaneCondition.STOPPED.value),
    (
        (lanes.c.failures > 0) & lanes.c.due_at.is_not(None),
        LaneCondition.OPEN.value,
    ),  # also while it is leased for a probe
    (lanes.c.lease_until > _NOW, LaneCondition.LEASED.value),
    (lanes.c.blocked_until > _NOW, LaneCondition.THROTTLED.value),
    (lanes.c.due_at <= _NOW, LaneCondition.WAITING.value),
    else_=LaneCondition.IDLE.value,
)
_STREAM_STATUS = case(
    (streams.c.status != StreamStatus.ENABLED.value, streams.c.status),
    (~integrations.c.active | integrations.c.paused_at.is_not(None), StreamStatus.PAUSED.value),
    else_=streams.c.status,
)
_LIVING = streams.c.deleted_at.is_(None) & integrations.c.deleted_at.is_(None)
_OF_INTEGRATION = and_(*(streams.c[name] == integrations.c[name] for name in ("account_id", "integration_id")))
_STREAMS = streams.join(integrations, _OF_INTEGRATION)
_OF_STREAM = and_(*(lanes.c[name] == streams.c[name] for name in ("account_id", "stream_id")))

_LANES = (
    select(_CONDITION.label("condition"), func.count())
    .select_from(lanes.join(_STREAMS, _OF_STREAM))
    .where(_LIVING)
    .group_by("condition")
)
_STATUSES = (
    select(_STREAM_STATUS.label("seen_status"), func.count().label("many"))
    .select_from(_STREAMS)
    .where(_LIVING)
    .group_by("seen_status")
)
_REJECTING = (
    select(func.count(func.distinct(lanes.c.stream_id)))
    .select_from(lanes.join(_STREAMS, _OF_STREAM))
    .where(
        _LIVING,
        lanes.c.rejecting,
        streams.c.status == StreamStatus.ENABLED.value,
        integrations.c.active,
        integrations.c.paused_at.is_(None),
    )
)
_SILENT = select(func.count()).where(
    sources.c.active,
    sources.c.silent_after_seconds.is_not(None),
    type_coerce(sources.c.last_event_at, BigInteger)
    < _NOW - sources.c.silent_after_seconds * literal(1_000_000, BigInteger),
)
_REFUSED = case((source_counts.c.became == Became.REFUSED.value, source_counts.c.events), else_=0)
_REFUSING = select(func.count()).select_from(
    select(source_counts.c.source_id)
    .join(
        sources,
        and_(*(sources.c[name] == source_counts.c[name] for name in ("account_id", "source_id"))) & sources.c.active,
    )
    .where(source_counts.c.hour >= _NOW / 3_600_000_000 - COUNTED_FOR.total_seconds() / 3_600)
    .group_by(source_counts.c.account_id, source_counts.c.source_id)
    .having(
        func.sum(_REFUSED) >= MIN_REFUSED,
        func.sum(source_counts.c.events) == func.sum(_REFUSED),
    )
    .subquery()
)
_DUE_AT = type_coerce(users.c.next_change_at, BigInteger)
_OVERDUE = select(func.count(), _NOW - func.min(_DUE_AT)).where(_DUE_AT <= _NOW)  # the index has only these users
_KEYS = select(signing_keys.c.algorithm, _NOW - type_coerce(signing_keys.c.signs_from, BigInteger)).where(
    signing_keys.c.signs_from.is_not(None), signing_keys.c.retired_at.is_(None)
)
_BYTES = {
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": text("SELECT pg_database_size(current_database())"),
}


_VERSION = {
    "sqlite": select(literal("SQLite ") + func.sqlite_version(), _NOW),
    "postgresql": select(literal("PostgreSQL ") + func.current_setting("server_version"), _NOW),
}


def database_facts(connection: Connection) -> DatabaseFacts:
    """Return the engine's version and its clock."""
    version, now = connection.execute(_VERSION[connection.dialect.name]).one()
    return DatabaseFacts(version, moment(now))


def take_survey(connection: Connection) -> Survey:
    """Return the counts of the installation as it is now."""
    overdue, oldest = connection.execute(_OVERDUE).one()
    return Survey(
        ledgers=count_ledgers(connection),
        lanes={LaneCondition(name): count for name, count in connection.execute(_LANES)},
        streams={row.seen_status: row.many for row in connection.execute(_STATUSES)},
        rejecting=connection.execute(_REJECTING).scalar_one(),
        key_ages={Algorithm(name): timedelta(microseconds=max(age, 0)) for name, age in connection.execute(_KEYS)},
        silent_sources=connection.execute(_SILENT).scalar_one(),
        refusing_sources=connection.execute(_REFUSING).scalar_one(),
        overdue_levels=overdue,
        oldest_overdue_level=timedelta(microseconds=oldest or 0),
        database_bytes=connection.execute(_BYTES[connection.dialect.name]).scalar_one(),
    )
