"""The tables of bulk resets: the filters, and the progress."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, SmallInteger, String, Table, Text, text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

bulk_resets = Table(
    "bulk_resets",
    metadata,
    account(),
    Column("reset_id", String(36), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("level", SmallInteger),
    Column("behavior", String(64)),
    Column("last_event_from", Moment),
    Column("last_event_to", Moment),
    Column("listed", Integer),  # none: all users of the account
    Column("reason", Text),
    Column("actor_token_id", String(36)),
    Column("actor_name", String(255), nullable=False),
    Column("actor_address", Text),
    Column("total", Integer, nullable=False),
    Column("users_reset", Integer, nullable=False),
    Column("users_skipped", Integer, nullable=False),
    Column("place", String(36), nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("bulk_resets_age_index", "account_id", "created_at"),
    Index(
        "bulk_resets_running_index",
        "created_at",
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
)

bulk_reset_users = Table(
    "bulk_reset_users",
    metadata,
    account(),
    Column("reset_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    ForeignKeyConstraint(["account_id", "reset_id"], ["bulk_resets.account_id", "bulk_resets.reset_id"]),
    sqlite_with_rowid=False,
)
