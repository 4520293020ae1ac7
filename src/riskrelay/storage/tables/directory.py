"""The tables of the directory. A key of a name is compared byte by byte on both engines."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, String, Table, Text
from sqlalchemy.dialects.postgresql import TEXT

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment


def _key() -> Text:
    return Text().with_variant(TEXT(collation="C"), "postgresql")


directory_entries = Table(
    "directory_entries",
    metadata,
    account(),
    Column("kind", String(16), primary_key=True),
    Column("name_key", _key(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", _key(), nullable=False),
    Column("group_names", Text),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("directory_entries_email_index", "account_id", "email_key"),
)

missed_names = Table(
    "missed_names",
    metadata,
    account(),
    Column("kind", String(16), primary_key=True),
    Column("name_key", _key(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("signals", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)
