"""The tables of notifications: the channels, and the problems that each was notified of."""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, LargeBinary, String, Table, Text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

# A channel has at most one message that is not sent yet. It is in the row, so it survives a restart.
notification_channels = Table(
    "notification_channels",
    metadata,
    account(),
    Column("channel_id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(100), nullable=False),
    Column("shown_target", Text, nullable=False),
    Column("sealed_target", LargeBinary, nullable=False),
    Column("conditions", Text, nullable=False),
    Column("backlog_after_seconds", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("hour_began_at", Moment),
    Column("sent_in_hour", Integer, nullable=False, server_default="0"),
    Column("held_since", Moment),
    Column("message", Text),
    Column("message_attempts", Integer, nullable=False, server_default="0"),
    Column("message_due_at", Moment),
    Column("result_at", Moment),
    Column("result_problem", Text),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

notified_problems = Table(
    "notified_problems",
    metadata,
    account(),
    Column("channel_id", String(36), primary_key=True),
    Column("condition", String(32), primary_key=True),
    Column("thing_id", String(255), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("notified_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "channel_id"], ["notification_channels.account_id", "notification_channels.channel_id"]
    ),
)
