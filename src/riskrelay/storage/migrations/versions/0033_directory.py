"""Other names of users, and names that were looked up in vain."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "directory_entries",
        *_name(),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", _key(), nullable=False),
        *_constraints("directory_entries"),
    )
    op.create_index("directory_entries_email_index", "directory_entries", ["account_id", "email_key"])
    op.create_table(
        "missed_names",
        *_name(),
        sa.Column("signals", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        *_constraints("missed_names"),
    )


def _key() -> Any:
    return sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def _name() -> list[sa.Column[Any]]:
    return [
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name_key", _key(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
    ]


def _constraints(table: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f(f"{table}_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "kind", "name_key", name=op.f(f"{table}_pk")),
    ]
