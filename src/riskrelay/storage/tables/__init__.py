"""The tables. The schema that users have is the sum of the migrations; a test holds the two together.

Every key of an account's data starts with the account, so that a cluster can be distributed by it. Times are integers
(see `times`).
"""

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
from riskrelay.storage.tables.console import console_sessions, finding_counts, level_counts, stocks
from riskrelay.storage.tables.directory import directory_entries, missed_names
from riskrelay.storage.tables.nodes import nodes
from riskrelay.storage.tables.replays import replay_places, replays
from riskrelay.storage.tables.risk import (
    activity,
    behavior_settings,
    detection_limits,
    findings,
    known_places,
    large_write_parts,
    large_writes,
    trusted_networks,
    users,
)
from riskrelay.storage.tables.sources import source_counts, source_credentials, source_samples, sources
from riskrelay.storage.times import Moment

__all__ = [
    "HAS_SHORT_SUBJECT",
    "INSTALLATION",
    "access_tokens",
    "accounts",
    "activity",
    "attempts",
    "audit_entries",
    "behavior_settings",
    "clock_readings",
    "console_sessions",
    "detection_limits",
    "directory_entries",
    "event_requests",
    "events",
    "finding_counts",
    "findings",
    "held_events",
    "integrations",
    "known_places",
    "lanes",
    "large_write_parts",
    "large_writes",
    "level_counts",
    "metadata",
    "missed_names",
    "nodes",
    "receiver_credentials",
    "refused_requests",
    "replay_places",
    "replays",
    "signing_keys",
    "source_counts",
    "source_credentials",
    "source_samples",
    "sources",
    "stocks",
    "streams",
    "subject_statements",
    "tokens",
    "trusted_networks",
    "users",
]

accounts = Table("accounts", metadata, account(), Column("created_at", Moment, nullable=False))

INSTALLATION = ""  # the account_id of rows of the installation; no account has an empty id

tokens = Table(
    "tokens",
    metadata,
    account(),
    Column("token_id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Index("tokens_token_hash_index", "token_hash"),
)

# Triggers of the migrations refuse UPDATE, and DELETE of entries of the last 60 days.
audit_entries = Table(
    "audit_entries",
    metadata,
    account(),
    Column("at", Moment, primary_key=True),
    Column("entry_id", String(36), primary_key=True),
    Column("actor_token_id", String(36)),
    Column("actor_name", String(255), nullable=False),
    Column("actor_address", Text),
    Column("verb", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("thing_id", String(255), nullable=False),
    sqlite_with_rowid=False,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("sealed_private", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signs_from", Moment),
    Column("retired_at", Moment),
)
for _name, _state in (
    ("signing_keys_current_unique", signing_keys.c.signs_from.is_not(None) & signing_keys.c.retired_at.is_(None)),
    ("signing_keys_next_unique", signing_keys.c.signs_from.is_(None)),
):
    Index(_name, signing_keys.c.algorithm, unique=True, sqlite_where=_state, postgresql_where=_state)

integrations = Table(
    "integrations",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("integration_type", String(32), nullable=False),
    Column("reference_id", String(255), nullable=False),
    Column("tenant_url", String(2048), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("public_origin", String(2048), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signing_algorithm", String(16), nullable=False, server_default="RS256"),
    Column("position", BigInteger, nullable=False),
    Column("deleted_at", Moment),
    Column("paused_at", Moment),
    Column("pause_reason", Text),
    Column("pushes_per_second", Integer),
    Column("concurrency", Integer),
    Column("trusted_ca", Text),
    Column("client_certificate", Text),
    Column("sealed_client_key", LargeBinary),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("integrations_integration_id_index", "integration_id"),
)
Index(
    "integrations_reference_unique",
    integrations.c.account_id,
    integrations.c.reference_id,
    unique=True,
    sqlite_where=integrations.c.deleted_at.is_(None),
    postgresql_where=integrations.c.deleted_at.is_(None),
)

receiver_credentials = Table(
    "receiver_credentials",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("credential_id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(255), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
)

refused_requests = Table(
    "refused_requests",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("status", SmallInteger, nullable=False),
    Column("error", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("refused_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    account(),
    Column("integration_id", String(36), primary_key=True),
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("credential_id", String(36), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "integration_id", "credential_id"],
        [f"receiver_credentials.{name}" for name in ("account_id", "integration_id", "credential_id")],
    ),
    Index("access_tokens_credential_index", "account_id", "integration_id", "credential_id", "expires_at"),
)

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

_IS_DEAD = held_events.c.state == literal_column("'dead'")
Index(
    "held_events_dead_index",
    *(held_events.c[name] for name in ("account_id", "stream_id", "reason", "lane", "seq")),
    sqlite_where=_IS_DEAD,
    postgresql_where=_IS_DEAD,
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
