"""Exceptions of users, the exception that a finding was subject to, and groups of the directory."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exceptions",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("exception_id", sa.String(length=36), nullable=False),
        sa.Column("coverage", sa.String(length=16), nullable=False),
        sa.Column("covered", sa.Text(), nullable=False),
        sa.Column("behavior", sa.String(length=64)),
        sa.Column("effect", sa.String(length=16), nullable=False),
        sa.Column("level", sa.SmallInteger()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("exceptions_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "exception_id", name=op.f("exceptions_pk")),
    )
    op.add_column("findings", sa.Column("exception_id", sa.String(length=36)))
    op.add_column("directory_entries", sa.Column("group_names", sa.Text()))
