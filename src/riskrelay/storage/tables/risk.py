"""The tables of users and their risk."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    true,
)
from sqlalchemy.dialects.postgresql import TEXT

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

users = Table(
    "users",
    metadata,
    account(),
    Column("user_id", String(36), primary_key=True),
    # Compared byte by byte, as in SQLite, so that texts with the same prefix are adjacent in the index.
    Column("email_key", Text().with_variant(TEXT(collation="C"), "postgresql"), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text),
    Column("level", SmallInteger),
    Column("triggered", Text, nullable=False, default=""),
    Column("event_count", Integer, nullable=False, server_default="0"),
    Column("last_event_at", Moment),
    Column("resets", Integer, nullable=False, server_default="0"),
    Column("last_reset_at", Moment),
    # A JSON object: the time of the latest finding of each triggered behavior.
    Column("triggered_at", Text),
    Column("changed_at", Moment),
    Column("next_change_at", Moment),
    # A JSON object: the time since which each of the account's rules holds.
    Column("holding", Text),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("users_email_unique", "account_id", "email_key", unique=True),
)
# With the behaviors, so that users are filtered by them without reading the rows of all users at risk.
Index(
    "users_at_risk_index",
    users.c.account_id,
    users.c.level,
    users.c.last_event_at,
    users.c.user_id,
    users.c.triggered,
    sqlite_where=users.c.level.is_not(None),
    postgresql_where=users.c.level.is_not(None),
)

Index(
    "users_next_change_index",
    users.c.next_change_at,
    sqlite_where=users.c.next_change_at.is_not(None),
    postgresql_where=users.c.next_change_at.is_not(None),
)

findings = Table(
    "findings",
    metadata,
    account(),
    Column("finding_id", String(255), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("behavior", String(64), nullable=False),
    Column("risk_level", SmallInteger, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("resets", Integer, nullable=False, server_default="0"),
    Column("details", Text),
    Column("digest", LargeBinary(32), nullable=False),
    # No foreign key: an exception can be deleted, and its findings keep its id.
    Column("exception_id", String(36)),
    ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.user_id"]),
    # With the behavior, so that trials and counts of findings read no other page.
    Index("findings_user_index", "account_id", "user_id", "resets", "occurred_at", "finding_id", "behavior"),
)

behavior_settings = Table(
    "behavior_settings",
    metadata,
    account(),
    Column("behavior", String(64), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("risk_level", SmallInteger, nullable=False),
    # Of the account's own behaviors; NULL in the rows of the built-in ones.
    Column("name", Text),
    Column("description", Text),
    Column("retired", Boolean, nullable=False, server_default=false()),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

# Of an account whose levels change with time: all settings in one row, because each finding needs them.
level_times = Table(
    "level_times",
    metadata,
    account(),
    Column("times", Text, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

# One row: how many users' levels were decided again in the last second in which any was.
level_pace = Table(
    "level_pace",
    metadata,
    account(),
    Column("second", BigInteger, nullable=False),
    Column("users", Integer, nullable=False),
)

activity = Table(
    "activity",
    metadata,
    account(),
    Column("activity_id", String(255), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("about", Text),
    Column("episode", String(255)),
    Column("digest", LargeBinary(32), nullable=False),
    Column("origin", Text),
    ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.user_id"]),
    Index("activity_user_index", "account_id", "user_id", "kind", "occurred_at"),
    Index("activity_age_index", "account_id", "kind", "occurred_at"),
)
Index(
    "activity_episode_index",
    activity.c.account_id,
    activity.c.episode,
    sqlite_where=activity.c.episode.is_not(None),
    postgresql_where=activity.c.episode.is_not(None),
)

detection_limits = Table(
    "detection_limits",
    metadata,
    account(),
    Column("max_km_per_h", Integer, nullable=False),
    Column("min_km", Integer, nullable=False),
    Column("ipv4_ipv6_min_km", Integer, nullable=False, server_default="1000"),
    Column("exempt_same_ip", Boolean, nullable=False, server_default=true()),
    Column("exempt_trusted_networks", Boolean, nullable=False, server_default=true()),
    Column("exempt_anonymous", Boolean, nullable=False, server_default=true()),
    Column("exempt_centroids", Boolean, nullable=False, server_default=true()),
    Column("session_refreshes", Boolean, nullable=False, server_default=true()),
    Column("known_places_days", Integer, nullable=False, server_default="0"),
    Column("cities_in_reason", Boolean, nullable=False, server_default=false()),
    Column("lateness_hours", Integer, nullable=False, server_default="1"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

# All of an account in one row: they are read together with each request of activity, and written seldom.
trusted_networks = Table(
    "trusted_networks",
    metadata,
    account(),
    Column("networks", Text, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

known_places = Table(
    "known_places",
    metadata,
    account(),
    Column("email_key", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("cell", Integer, primary_key=True),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("known_places_age_index", "account_id", "day"),
)

# At most one of each account: a large request that is being written (see ports.large_writes).
large_writes = Table(
    "large_writes",
    metadata,
    account(),
    Column("owner", String(36), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("accepted", Boolean, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

large_write_parts = Table(
    "large_write_parts",
    metadata,
    account(),
    Column("number", Integer, primary_key=True),
    Column("writes", LargeBinary, nullable=False),
    ForeignKeyConstraint(["account_id"], ["large_writes.account_id"]),
)
