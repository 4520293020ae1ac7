"""The tables of sources."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

sources = Table(
    "sources",
    metadata,
    account(),
    Column("source_id", String(36), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("mapping", Text),
    Column("silent_after_seconds", Integer),
    Column("created_at", Moment, nullable=False),
    Column("last_event_at", Moment),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

source_credentials = Table(
    "source_credentials",
    metadata,
    account(),
    Column("source_id", String(36), primary_key=True),
    Column("credential_id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("sealed_key", LargeBinary),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id", "source_id"], ["sources.account_id", "sources.source_id"]),
)

# One row for each hour, outcome and reason: a hundred or two for a day of a source.
source_counts = Table(
    "source_counts",
    metadata,
    account(),
    Column("source_id", String(36), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("became", String(16), primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("events", BigInteger, nullable=False),
    ForeignKeyConstraint(["account_id", "source_id"], ["sources.account_id", "sources.source_id"]),
)

source_samples = Table(
    "source_samples",
    metadata,
    account(),
    Column("source_id", String(36), primary_key=True),
    Column("sample_id", String(36), primary_key=True),
    Column("became", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("pointer", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("sealed_event", LargeBinary, nullable=False),
    ForeignKeyConstraint(["account_id", "source_id"], ["sources.account_id", "sources.source_id"]),
    Index("source_samples_age_index", "account_id", "source_id", "at"),
)
