"""The tables of replays: the filters of the deliveries, and the progress."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, String, Table, Text, text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

replays = Table(
    "replays",
    metadata,
    account(),
    Column("replay_id", String(36), primary_key=True),
    Column("integration_id", String(36), nullable=False),
    Column("status", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(64)),
    Column("queued_from", Moment),
    Column("queued_to", Moment, nullable=False),
    Column("listed", Integer),  # none: deliveries about all users
    Column("total", BigInteger, nullable=False),
    Column("replayed", BigInteger, nullable=False, default=0),
    Column("stream_id", String(36), nullable=False, default=""),  # this and the next two: read by older nodes
    Column("lane", Integer, nullable=False, default=0),
    Column("seq", BigInteger, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id", "integration_id"], ["integrations.account_id", "integrations.integration_id"]),
    Index("replays_integration_index", "account_id", "integration_id", "created_at"),
    Index(
        "replays_running_index",
        "created_at",
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
)

replay_places = Table(
    "replay_places",
    metadata,
    account(),
    Column("replay_id", String(36), primary_key=True),
    Column("stream_id", String(36), primary_key=True),
    Column("lane", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),  # all up to here is done
    Column("last_seq", BigInteger, nullable=False),  # the newest when the replay was started: there it ends
    ForeignKeyConstraint(["account_id", "replay_id"], ["replays.account_id", "replays.replay_id"]),
)

# The users of a replay that is not over. An erasure removes the user from them.
replay_users = Table(
    "replay_users",
    metadata,
    account(),
    Column("replay_id", String(36), primary_key=True),
    Column("email_key", Text, primary_key=True),
    ForeignKeyConstraint(["account_id", "replay_id"], ["replays.account_id", "replays.replay_id"]),
    sqlite_with_rowid=False,
)
