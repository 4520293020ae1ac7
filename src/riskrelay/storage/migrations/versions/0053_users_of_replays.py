"""Replays of the deliveries about chosen users."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replays", sa.Column("listed", sa.Integer()))
    op.create_table(
        "replay_users",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("replay_id", sa.String(length=36), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "replay_id"],
            ["replays.account_id", "replays.replay_id"],
            name=op.f("replay_users_replays_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "replay_id", "email_key", name=op.f("replay_users_pk")),
        sqlite_with_rowid=False,
    )
