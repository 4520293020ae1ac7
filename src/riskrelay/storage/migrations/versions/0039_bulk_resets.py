"""Bulk resets: jobs that clear the risk of many users."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_resets",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("reset_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("behavior", sa.String(length=64), nullable=True),
        sa.Column("last_event_from", sa.BigInteger(), nullable=True),
        sa.Column("last_event_to", sa.BigInteger(), nullable=True),
        sa.Column("listed", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor_token_id", sa.String(length=36), nullable=True),
        sa.Column("actor_name", sa.String(length=255), nullable=False),
        sa.Column("actor_address", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("users_reset", sa.Integer(), nullable=False),
        sa.Column("users_skipped", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=36), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("bulk_resets_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "reset_id", name=op.f("bulk_resets_pk")),
    )
    op.create_index("bulk_resets_age_index", "bulk_resets", ["account_id", "created_at"])
    op.create_index(
        "bulk_resets_running_index",
        "bulk_resets",
        ["created_at"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "bulk_reset_users",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("reset_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "reset_id"],
            ["bulk_resets.account_id", "bulk_resets.reset_id"],
            name=op.f("bulk_reset_users_bulk_resets_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "reset_id", "user_id", name=op.f("bulk_reset_users_pk")),
        sqlite_with_rowid=False,
    )
