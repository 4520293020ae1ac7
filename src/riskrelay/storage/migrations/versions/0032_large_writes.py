"""Large requests are stored in parts, accepted, and then applied part by part."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "large_writes",
        sa.Column("account_id", sa.String(255), primary_key=True),
        sa.Column("owner", sa.String(36), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    )
    op.create_table(
        "large_write_parts",
        sa.Column("account_id", sa.String(255), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("writes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["large_writes.account_id"]),
    )
