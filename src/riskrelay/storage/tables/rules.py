"""The tables of an account's rules, and of who evaluates them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)

from riskrelay.storage.tables.base import account, metadata
from riskrelay.storage.times import Moment

rules = Table(
    "rules",
    metadata,
    account(),
    Column("rule_id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("within", BigInteger, nullable=False),  # microseconds
    Column("expression", Text, nullable=False),
    Column("level", SmallInteger),
    Column("revokes_sessions", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("stopped", String(16)),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failed_at", Moment),
    Column("failure", Text),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)

# One row for each account that has had a rule.
rule_work = Table(
    "rule_work",
    metadata,
    account(),
    # The process that evaluates the account's rules.
    Column("owner", String(36)),
    Column("lease_until", BigInteger, nullable=False, server_default="0"),
    # After a change, users are evaluated in the order of their ids: the last one; NULL: none is left.
    Column("walked_to", String(36)),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
)
