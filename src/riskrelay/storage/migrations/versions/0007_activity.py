"""Activity, and what an account takes to be possible."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("activity_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("episode", sa.String(length=255), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"], ["users.account_id", "users.user_id"], name=op.f("activity_users_fk")
        ),
        sa.PrimaryKeyConstraint("account_id", "activity_id", name=op.f("activity_pk")),
    )
    op.create_index("activity_user_index", "activity", ["account_id", "user_id", "kind", "occurred_at"])
    op.create_index("activity_age_index", "activity", ["account_id", "kind", "occurred_at"])
    op.create_index(
        "activity_episode_index",
        "activity",
        ["account_id", "episode"],
        sqlite_where=sa.text("episode IS NOT NULL"),
        postgresql_where=sa.text("episode IS NOT NULL"),
    )
    op.create_table(
        "detection_limits",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("max_km_per_h", sa.Integer(), nullable=False),
        sa.Column("min_km", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("detection_limits_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("detection_limits_pk")),
    )
