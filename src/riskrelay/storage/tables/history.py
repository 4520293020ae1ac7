"""The table of the history of users' risk levels."""

from sqlalchemy import Column, SmallInteger, String, Table, Text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

# Without foreign keys: the transaction that adds a change has locked or added the user (see migration 0017).
level_changes = Table(
    "level_changes",
    metadata,
    account(),
    Column("user_id", String(36), primary_key=True),
    Column("changed_at", Moment, primary_key=True),
    Column("change_id", String(36), primary_key=True),  # also the `txn` of the change's events
    Column("previous", SmallInteger),
    Column("current", SmallInteger),
    Column("kind", String(16), nullable=False),
    Column("behaviors", Text),
    Column("reason", Text),
    Column("findings", Text),  # JSON: the ids
    Column("rule", Text),
    Column("actor", Text),
    Column("note", Text),
    Column("rules", Text),  # JSON: the ids and names of rules that give the level, and of those that revoke sessions
    sqlite_with_rowid=False,
)
