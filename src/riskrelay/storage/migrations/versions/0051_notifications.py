"""Notifications: channels of an account, and the problems that each was notified of."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notification_channels",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("shown_target", sa.Text(), nullable=False),
        sa.Column("sealed_target", sa.LargeBinary(), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("backlog_after_seconds", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("hour_began_at", sa.BigInteger()),
        sa.Column("sent_in_hour", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_since", sa.BigInteger()),
        sa.Column("message", sa.Text()),
        sa.Column("message_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("message_due_at", sa.BigInteger()),
        sa.Column("result_at", sa.BigInteger()),
        sa.Column("result_problem", sa.Text()),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("notification_channels_accounts_fk")
        ),
        sa.PrimaryKeyConstraint("account_id", "channel_id", name=op.f("notification_channels_pk")),
    )
    op.create_table(
        "notified_problems",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("condition", sa.String(length=32), nullable=False),
        sa.Column("thing_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "channel_id"],
            ["notification_channels.account_id", "notification_channels.channel_id"],
            name=op.f("notified_problems_notification_channels_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "channel_id", "condition", "thing_id", name=op.f("notified_problems_pk")),
    )
