"""What receivers were refused last, by integration and operation."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refused_requests",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "integration_id"],
            ["integrations.account_id", "integrations.integration_id"],
            name=op.f("refused_requests_integrations_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "integration_id", "operation", name=op.f("refused_requests_pk")),
    )
