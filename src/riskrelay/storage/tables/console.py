"""The tables of the console."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, String, Table

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

console_sessions = Table(
    "console_sessions",
    metadata,
    account(),  # of the token
    Column("session_hash", LargeBinary(32), primary_key=True),
    Column("token_id", String(36), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    ForeignKeyConstraint(["account_id", "token_id"], ["tokens.account_id", "tokens.token_id"], ondelete="CASCADE"),
    Index("console_sessions_session_hash_index", "session_hash"),
    Index("console_sessions_token_index", "account_id", "token_id"),
    Index("console_sessions_age_index", "started_at"),
)
