"""Levels change with time: when each behavior was triggered last, and when a level must be decided again."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# The latest finding of each behavior since the user's last reset. Behaviors whose findings were deleted, because the
# user had more than the quota, count from the user's last event.
_LATEST = """
UPDATE users SET triggered_at = (
    SELECT {build}(latest.behavior, latest.at) FROM (
        SELECT findings.behavior AS behavior, max(findings.occurred_at) AS at FROM findings
        WHERE findings.account_id = users.account_id AND findings.user_id = users.user_id
        AND findings.resets = users.resets GROUP BY findings.behavior
    ) AS latest
) WHERE triggered <> ''
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("triggered_at", sa.Text()))
    op.add_column("users", sa.Column("changed_at", sa.BigInteger()))
    op.add_column("users", sa.Column("next_change_at", sa.BigInteger()))
    is_set = sa.text("next_change_at IS NOT NULL")
    op.create_index(
        "users_next_change_index", "users", ["next_change_at"], sqlite_where=is_set, postgresql_where=is_set
    )
    op.create_table(
        "level_times",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("times", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("level_times_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("level_times_pk")),
    )
    op.create_table(
        "level_pace",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("second", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("level_pace_pk")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(_LATEST.format(build="json_group_object" if is_sqlite else "json_object_agg"))
