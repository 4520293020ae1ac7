"""Security events that callers asked for under an id of theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_requests",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("txn", sa.String(length=255), nullable=False),
        sa.Column("deliveries", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("event_requests_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "request_id", name=op.f("event_requests_pk")),
    )
