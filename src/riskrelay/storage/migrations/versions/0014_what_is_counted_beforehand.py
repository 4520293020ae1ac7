"""What is counted beforehand for the console."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _account() -> sa.Column[str]:
    return sa.Column("account_id", sa.String(length=255), nullable=False)


def _of_account(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f(f"{table}_accounts_fk"))


def upgrade() -> None:
    op.create_table(
        "stocks",
        _account(),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("taken_at", "queued", "delivered", "pending", "dead", "expired", "cancelled")
        ),
        sa.Column("oldest_us", sa.BigInteger(), nullable=True),
        sa.Column("standings", sa.Text(), nullable=False),
        sa.Column("receipts", sa.Integer(), nullable=False),
        sa.Column("latency_p50_us", sa.BigInteger(), nullable=True),
        sa.Column("latency_p99_us", sa.BigInteger(), nullable=True),
        _of_account("stocks"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("stocks_pk")),
    )
    op.create_table(
        "level_counts",
        _account(),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("low", "medium", "high")),
        _of_account("level_counts"),
        sa.PrimaryKeyConstraint("account_id", "minute", name=op.f("level_counts_pk")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding_counts",
        _account(),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("behavior", sa.String(length=64), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        _of_account("finding_counts"),
        sa.PrimaryKeyConstraint("account_id", "minute", "behavior", name=op.f("finding_counts_pk")),
        sqlite_with_rowid=False,
    )
