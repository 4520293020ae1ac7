"""The tables of the console."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Table, Text

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

COUNTED_COLUMNS = ("delivered", "pending", "dead", "latency_p50_us", "latency_p99_us")
LEDGER_COLUMNS = ("queued", "delivered", "pending", "dead", "expired", "cancelled", "erased", "superseded")

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

stocks = Table(
    "stocks",
    metadata,
    account(),
    Column("taken_at", Moment, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in LEDGER_COLUMNS if name not in ("erased", "superseded")),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in ("erased", "superseded")),
    Column("oldest_us", BigInteger),
    Column("standings", Text, nullable=False),
    Column("receipts", Integer, nullable=False),
    Column("latency_p50_us", BigInteger),
    Column("latency_p99_us", BigInteger),
    Column("known_users", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

level_counts = Table(
    "level_counts",
    metadata,
    account(),
    Column("minute", Moment, primary_key=True),
    Column("low", Integer, nullable=False),
    Column("medium", Integer, nullable=False),
    Column("high", Integer, nullable=False),
    *(Column(name, BigInteger) for name in COUNTED_COLUMNS),  # null: the minute was counted before these columns
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    sqlite_with_rowid=False,
)

finding_counts = Table(
    "finding_counts",
    metadata,
    account(),
    Column("minute", Moment, primary_key=True),
    Column("behavior", String(64), primary_key=True),
    Column("findings", BigInteger, nullable=False),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    sqlite_with_rowid=False,
)
