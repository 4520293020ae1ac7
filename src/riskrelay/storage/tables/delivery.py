"""Streams, their lanes and events, and the attempts to deliver them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    func,
    literal_column,
    text,
)

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

streams = Table(
    "streams",
    metadata,
    account(),
    Column("stream_id", String(36), primary_key=True),
    Column("integration_id", String(36), nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_reason", Text),
    Column("lanes", Integer, nullable=False),
    Column("status_set_by", String(16), nullable=False, server_default="transmitter"),
    Column("audience", String(2048)),  # none: the integration's implicit stream, and so are the next six
    Column("delivery_method", String(32)),
    Column("endpoint_url", String(2048)),
    Column("sealed_authorization", LargeBinary),
    Column("events_requested", Text),
    Column("description", Text),
    Column("spelling", Text),  # none: that of the standard
    Column("has_statements", Boolean, nullable=False, server_default=false()),
    Column("active_at", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False, server_default="0"),
    Column("verified_at", BigInteger, nullable=False, server_default="0"),
    Column("status_at", BigInteger, nullable=False, server_default="0"),
    Column("deleted_at", Moment),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
    Index("streams_integration_index", "account_id", "integration_id"),
)

subject_statements = Table(
    "subject_statements",
    metadata,
    account(),
    Column("stream_id", String(36), primary_key=True),
    Column("subject_hash", String(64), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("is_removed", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    ForeignKeyConstraint(["account_id", "stream_id"], ["streams.account_id", "streams.stream_id"]),
)

lanes = Table(
    "lanes",
    metadata,
    account(),
    Column("stream_id", String(36), primary_key=True),
    Column("lane", Integer, primary_key=True),
    Column("last_seq", BigInteger, nullable=False, default=0),
    Column("cursor", BigInteger, nullable=False, default=0),
    Column("delivered", BigInteger, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("blocked_until", BigInteger, nullable=False, default=0),
    Column("due_at", BigInteger),
    Column("stopped", Boolean, nullable=False, default=False),
    Column("delivered_at", BigInteger, nullable=False, server_default="0"),
    Column("replayed", BigInteger, nullable=False, server_default="0"),
    Column("attempted_at", BigInteger, nullable=False, server_default="0"),
    Column("last_outcome", String(16)),
    Column("last_reason", String(64)),
    Column("purged_dead", BigInteger, nullable=False, server_default="0"),
    Column("purged_expired", BigInteger, nullable=False, server_default="0"),
    Column("purged_cancelled", BigInteger, nullable=False, server_default="0"),
    Column("purged_erased", BigInteger, nullable=False, server_default="0"),
    # All of them, also purged ones: their rows can be a million, and the ledger is read every few seconds.
    Column("superseded", BigInteger, nullable=False, server_default="0"),
    Column("admitted", BigInteger, nullable=False, server_default="0"),  # see delivery.coalescing
    Column("cancel_through", BigInteger, nullable=False, default=0, server_default="0"),  # see storage.delivery.backlog
    Column("cancel_reason", String(64)),
    Column("version", BigInteger, nullable=False, default=0, server_default="0"),  # see storage.newest
    Column("edits", BigInteger, nullable=False, server_default="0"),
    Column("recent_answers", String(20), nullable=False, default="", server_default=""),  # see delivery.rejecting
    Column("rejecting", Boolean, nullable=False, default=False, server_default=false()),
    ForeignKeyConstraint(["account_id", "stream_id"], ["streams.account_id", "streams.stream_id"]),
    CheckConstraint("cursor <= last_seq", name="cursor"),
)
Index(
    "lanes_due_index",
    lanes.c.due_at,
    sqlite_where=(lanes.c.due_at.is_not(None)) & (lanes.c.stopped == false()),
    postgresql_where=(lanes.c.due_at.is_not(None)) & (lanes.c.stopped == false()),
)

Index(
    "lanes_cancelling_index",
    *(lanes.c[name] for name in ("account_id", "stream_id", "lane")),
    sqlite_where=lanes.c.cancel_through > literal_column("0"),
    postgresql_where=lanes.c.cancel_through > literal_column("0"),
)

# One row of the installation: the record of the database's clock (see core.delivery.clock).
clock_readings = Table(
    "clock_readings",
    metadata,
    account(),
    Column("seen_at", BigInteger, nullable=False),
    Column("steps", Text, nullable=False),  # JSON: [[first reading after it, by how much], ...]
    Column("steps_recorded", BigInteger, nullable=False),
)

_LANE_KEY = ("account_id", "stream_id", "lane")


def _lane_columns() -> list[Column[Any]]:
    return [
        account(),
        Column("stream_id", String(36), primary_key=True),
        Column("lane", Integer, primary_key=True),
        Column("seq", BigInteger, primary_key=True),
    ]


events = Table(
    "events",
    metadata,
    *_lane_columns(),
    Column("jti", String(36), nullable=False),
    Column("subject_key", Text, nullable=False),
    Column("claims", LargeBinary, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("is_level_change", Boolean, nullable=False, server_default=false()),
    Column("known_level", String(16)),  # see delivery.coalescing
    ForeignKeyConstraint(_LANE_KEY, ["lanes.account_id", "lanes.stream_id", "lanes.lane"]),
    sqlite_with_rowid=False,
)

# Longer subject keys, which only requested events can have, do not fit into an index entry of PostgreSQL.
HAS_SHORT_SUBJECT = func.length(events.c.subject_key) <= literal_column("400")
Index(
    "events_subject_index",
    events.c.account_id,
    events.c.subject_key,
    events.c.queued_at,
    sqlite_where=text("length(subject_key) <= 400"),
    postgresql_where=text("length(subject_key) <= 400"),
)

# Events about something else than a user's address alone, which only requested events and those about streams are.
IS_OF_OTHER_SUBJECT = text("""subject_key <> '' AND substr(subject_key, 1, 10) <> '{"email":"'""")
Index(
    "events_other_subject_index",
    *(events.c[name] for name in ("account_id", "stream_id", "lane", "seq")),
    sqlite_where=IS_OF_OTHER_SUBJECT,
    postgresql_where=IS_OF_OTHER_SUBJECT,
)

held_events = Table(
    "held_events",
    metadata,
    *_lane_columns(),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("replayed_at", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(_LANE_KEY, ["lanes.account_id", "lanes.stream_id", "lanes.lane"]),
    sqlite_with_rowid=False,
)

# Superseded events can be a million rows of a lane, and each batch reads the pending ones.
IS_PENDING = held_events.c.state == literal_column("'pending'")
Index(
    "held_events_pending_index",
    # With the state in it, though it is always the same: otherwise SQLite prefers the primary key.
    *(held_events.c[name] for name in ("account_id", "stream_id", "lane", "state", "seq")),
    sqlite_where=IS_PENDING,
    postgresql_where=IS_PENDING,
)
IS_DEAD = held_events.c.state == literal_column("'dead'")
Index(
    "held_events_dead_index",
    *(held_events.c[name] for name in ("account_id", "stream_id", "reason", "lane", "seq")),
    sqlite_where=IS_DEAD,
    postgresql_where=IS_DEAD,
)
# With the two above, the ledger is counted without reading superseded rows.
IS_CLOSED = held_events.c.state.in_([literal_column(f"'{state}'") for state in ("expired", "cancelled", "erased")])
Index(
    "held_events_closed_index",
    *(held_events.c[name] for name in ("account_id", "stream_id", "state")),
    sqlite_where=IS_CLOSED,
    postgresql_where=IS_CLOSED,
)

attempts = Table(
    "attempts",
    metadata,
    *_lane_columns(),
    Column("number", Integer, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("http_status", SmallInteger),
    Column("detail", Text, nullable=False),
    Column("dns_us", BigInteger),
    Column("connect_us", BigInteger),
    Column("tls_us", BigInteger),
    Column("first_byte_us", BigInteger),
    ForeignKeyConstraint(_LANE_KEY, ["lanes.account_id", "lanes.stream_id", "lanes.lane"]),
    sqlite_with_rowid=False,
)

event_requests = Table(
    "event_requests",
    metadata,
    account(),
    Column("request_id", String(255), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("txn", String(255), nullable=False),
    Column("deliveries", Text, nullable=False),
    Column("requested_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("event_requests_age_index", "account_id", "requested_at"),
)
