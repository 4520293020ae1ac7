"""The table of exceptions."""

from sqlalchemy import Column, ForeignKeyConstraint, SmallInteger, String, Table, Text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

exceptions = Table(
    "exceptions",
    metadata,
    account(),
    Column("exception_id", String(36), primary_key=True),
    Column("coverage", String(16), nullable=False),
    Column("covered", Text, nullable=False),
    Column("behavior", String(64)),
    Column("effect", String(16), nullable=False),
    Column("level", SmallInteger),
    Column("reason", Text, nullable=False),
    Column("ends_at", Moment),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)
