"""Rules that combine findings: their table, the process that evaluates them, and the rules that hold for a user."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("within", sa.BigInteger(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger()),
        sa.Column("revokes_sessions", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("stopped", sa.String(length=16)),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_at", sa.BigInteger()),
        sa.Column("failure", sa.Text()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("rules_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "rule_id", name=op.f("rules_pk")),
    )
    op.create_table(
        "rule_work",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=36)),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("walked_to", sa.String(length=36)),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("rule_work_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("rule_work_pk")),
    )
    op.add_column("users", sa.Column("holding", sa.Text()))
    op.add_column("level_changes", sa.Column("rules", sa.Text()))
