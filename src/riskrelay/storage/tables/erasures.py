"""The tables of erasures that are not finished, and of deleted accounts."""

from sqlalchemy import Column, ForeignKeyConstraint, Integer, String, Table, Text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

# One row for each user whose erasure is not finished. It is deleted at the end, because it has the address.
erasures = Table(
    "erasures",
    metadata,
    account(),
    Column("user_id", String(36), primary_key=True),
    Column("email", Text, nullable=False),
    Column("newest", Text, nullable=False),  # JSON: the newest event of each lane when the erasure began
    Column("stage", Integer, nullable=False),
    Column("place", Text),  # JSON: all up to here is done in this stage
    Column("begun_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

# Kept while audit entries of the account are kept. No foreign key: the account's own row is deleted before it.
deleted_accounts = Table(
    "deleted_accounts",
    metadata,
    account(),
    Column("begun_at", Moment, nullable=False),
    Column("finished_at", Moment),
)
